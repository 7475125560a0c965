"""What several nodes tell of one landing: believed where enough of them tell the same, to the unit."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.solana.fills import fill_of
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.landings import ToldLanding, agreed, grouped, status_of, told_landing
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.rpc_answers import RpcSignatureStatus
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.domain.errors import Code
from chalicelib.domain.transactions import LegFill, SignatureStatus, TransactionStatus
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.test_fills import a_record, cases, names

LEG = LegFill("pool", "raydium", "SOL", "USDC", 1_000, 200, 3, "SOL", "0.10")
LANDED = TransactionStatus(
    SignatureStatus.LANDED, 7, input_units=1_000, output_units=200, legs=(LEG,), network_fee_lamports=5_000
)
REFUSED = TransactionStatus(
    SignatureStatus.REFUSED, 7, refusal=Code.SLIPPAGE_EXCEEDED, network_fee_lamports=5_000
)


def told(*statuses: TransactionStatus) -> list[ToldLanding]:
    return [ToldLanding(place, status) for place, status in enumerate(statuses)]


@pytest.mark.parametrize(
    "other",
    [
        replace(LANDED, output_units=199),
        replace(LANDED, input_units=1_001),
        replace(LANDED, slot=8),
        replace(LANDED, network_fee_lamports=5_001),
        replace(LANDED, legs=(replace(LEG, fee_units=4),)),
        replace(LANDED, legs=(LEG, LEG)),
        REFUSED,
    ],
)
def test_nodes_that_tell_one_fact_differently_do_not_agree(other: TransactionStatus) -> None:
    assert agreed(told(LANDED, other), 2) is None
    assert agreed(told(LANDED, other, LANDED), 2) == LANDED
    assert agreed(told(other, LANDED, LANDED), 2) == LANDED


def test_refusals_for_different_reasons_are_different_facts() -> None:
    for other in (replace(REFUSED, refusal=Code.TRANSACTION_FAILED), replace(REFUSED, is_leg_refusal=True)):
        assert agreed(told(REFUSED, other), 2) is None


def test_refusal_goes_by_its_name_where_one_of_the_logs_is_cut_off_before_it() -> None:
    """A number alone may say something else: it shifts from build to build."""
    named = replace(REFUSED, refusal_name="TooLittleOutputReceived")
    by_number = replace(REFUSED, refusal=Code.TRANSACTION_FAILED)
    for both in (told(named, by_number), told(by_number, named)):
        assert agreed(both, 2) == named
        assert len(grouped(both)) == 1
    other = replace(by_number, refusal_name="MathOverflow")
    assert agreed(told(named, other), 2) is None
    assert agreed(told(named, other, by_number), 2) == other
    assert agreed(told(named, replace(by_number, is_leg_refusal=True)), 2) is None


def test_words_for_a_pool_that_became_known_in_between_are_no_dispute() -> None:
    earlier = replace(LANDED, legs=(replace(LEG, pool_id="its address", impact_bps="0.00"),))
    assert agreed(told(earlier, LANDED), 2) == earlier
    assert len(grouped(told(earlier, LANDED))) == 1


def test_two_sides_of_which_both_are_enough_leave_the_matter_open() -> None:
    other = replace(LANDED, output_units=199)
    assert agreed(told(LANDED, other, LANDED, other), 2) is None


def test_nodes_that_keep_logs_of_different_lengths_agree_on_what_all_of_them_tell() -> None:
    whole = replace(LANDED, legs=(LEG, replace(LEG, fee_units=5)))
    unknown = replace(LEG, fee_units=0, impact_bps="0.00")
    cut = replace(whole, legs=(LEG, unknown), untold_legs=frozenset({1}))
    shorter = replace(whole, legs=(unknown, unknown), untold_legs=frozenset({0, 1}))
    for one, other, common in ((whole, cut, cut), (cut, shorter, shorter), (whole, shorter, shorter)):
        for both in (told(one, other), told(other, one)):
            assert agreed(both, 2) == common
            assert len(grouped(both)) == 1
    # A fee that is made up counts as none that is told, and amounts have to be the same still.
    made_up = replace(cut, legs=(replace(LEG, fee_units=9), unknown))
    assert agreed(told(whole, made_up), 2) == shorter
    assert agreed(told(whole, replace(cut, output_units=199)), 2) is None


def test_fee_of_a_mint_that_a_cut_off_log_leaves_to_be_shared_out_is_no_dispute() -> None:
    whole = replace(LANDED, legs=(LEG, replace(LEG, output_units=150)))
    shared = (replace(LEG, output_units=199, fee_units=0), replace(LEG, output_units=151, fee_units=0))
    cut = replace(LANDED, legs=shared, untold_legs=frozenset({0, 1}))
    agreed_on = agreed(told(whole, cut), 2)
    assert agreed_on is not None
    assert agreed_on.legs == tuple(replace(leg, impact_bps="0.00") for leg in shared)


def test_fewer_nodes_than_have_to_agree_prove_nothing() -> None:
    assert agreed([], 1) is None
    assert agreed(told(LANDED), 2) is None
    assert agreed(told(LANDED), 1) == LANDED


def test_transaction_that_landed_tells_what_it_moved() -> None:
    for program in SwapProgram:
        case = cases(program)[0]
        record, words = a_record(case), names(case)
        status = status_of(record, words)
        assert status.signature_status is SignatureStatus.LANDED
        assert (status.slot, status.network_fee_lamports) == (record.slot, record.fee_lamports)
        assert (status.input_units, status.output_units) == case.amounts
        assert status.legs == fill_of(record, words).legs


ERROR = {"InstructionError": [0, {"Custom": 6_001}]}


def answered(*, slot: int = 7, signature: str = "one", err: Any = ERROR) -> dict[str, Any]:
    message = {"accountKeys": [address_of(a_key(1))], "instructions": []}
    return {
        "slot": slot,
        "transaction": {"signatures": [signature], "message": message},
        "meta": {"err": err, "fee": 5_000, "preBalances": [9], "postBalances": [4], "logMessages": []},
    }


def landing(answer: object, shown: RpcSignatureStatus | None) -> ToldLanding:
    return told_landing("one", answer, shown, 3, lambda record: replace(REFUSED, slot=record.slot))


def test_answer_that_goes_with_its_status_is_told() -> None:
    for shown in (None, RpcSignatureStatus(7, ERROR, is_final=True)):
        assert landing(answered(), shown) == ToldLanding(3, REFUSED)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (NodeError("gone"), "gone"),
        (None, "does not show"),
        (answered(signature="other"), "another transaction"),
        (answered(err=None), "whether it failed"),
        (answered(slot=8), "in which slot"),
    ],
)
def test_answer_that_tells_nothing_or_contradicts_its_status_is_refused(answer: object, problem: str) -> None:
    with pytest.raises(NodeError, match=problem):
        landing(answer, RpcSignatureStatus(7, ERROR, is_final=True))
