"""One order against the chain: what breaks a rule, what is fine, and what cannot be told."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chalicelib.adapters.solana.instructions import memo
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import MEMO, TOKEN
from chalicelib.adapters.solana.record_comparison import Attempt, ComparedOrder, Rule, authority_of, compared
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import sign
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import ChainView, LegFill, SignatureStatus, TransactionStatus

KEY = SeedKey(b"k" * 32)
ORDER_ID = UUID(int=7)
LAST, TIP = 1_000, 2_000
UNKNOWN = TransactionStatus(SignatureStatus.UNKNOWN)
REFUSED = TransactionStatus(SignatureStatus.REFUSED, 500, network_fee_lamports=5_000)
LEG = LegFill("pool", "raydium", "SOL", "USDC", 990_000_000, 148_000_000, 2_500_000, "SOL")
LANDED = TransactionStatus(
    SignatureStatus.LANDED, 500, 990_000_000, 148_000_000, (LEG,), network_fee_lamports=5_000
)
PUBLISHED: dict[str, Any] = {
    "slot": 500,
    "fees": [{"token": "SOL", "amount": "0.0025"}],
    "unspentInputAmount": "0.01",
    "networkFeeLamports": 5_000,
}


def attempt(
    number: int = 1,
    outcome: str | None = "landed",
    order_id: UUID = ORDER_ID,
    *,
    blockhash: bytes = bytes(32),
    program: Pubkey = MEMO,
) -> Attempt:
    said = memo(mark_of(order_id, number), KEY.key)._replace(program=program)
    signed = sign(v0_message(KEY.key, [said], blockhash), {KEY.key: KEY.sign})
    return Attempt(signed.signature, number, signed.wire, LAST, outcome, 147_000_000)


FIRST, SECOND = attempt(1), attempt(2)


def order(
    *attempts: Attempt, status: OrderStatus = OrderStatus.CONFIRMED, published: dict[str, Any] | None = None
) -> ComparedOrder:
    is_confirmed = status is OrderStatus.CONFIRMED
    return ComparedOrder(
        ORDER_ID,
        status,
        SwapMode.EXACT_IN,
        "SOL",
        "USDC",
        1_000_000_000,
        attempts[-1].signature if is_confirmed else None,
        990_000_000 if is_confirmed else None,
        148_000_000 if is_confirmed else None,
        PUBLISHED if published is None else published,
        attempts,
    )


def found(
    checked: ComparedOrder, *statuses: TransactionStatus, height: int = TIP, history_from: int = 0
) -> list[tuple[Rule, bool]]:
    by_signature = dict(zip([one.signature for one in checked.attempts], statuses, strict=True))
    view = ChainView(height, by_signature, history_from)
    return [(one.rule, one.is_unknown) for one in compared(checked, view, load_tokens())]


def test_order_that_the_chain_carried_out_as_told_is_in_order() -> None:
    assert found(order(FIRST), LANDED) == []
    assert found(order(replace(FIRST, outcome="dead"), SECOND), UNKNOWN, LANDED) == []
    assert found(order(replace(FIRST, outcome="refused"), SECOND), REFUSED, LANDED) == []
    failed = order(replace(FIRST, outcome="refused"), status=OrderStatus.FAILED)
    assert found(failed, REFUSED) == []
    assert found(order(FIRST), LANDED, history_from=TIP) == []


@pytest.mark.parametrize("status", [LANDED, REFUSED, UNKNOWN])
def test_order_under_way_may_be_anywhere(status: TransactionStatus) -> None:
    assert found(order(replace(FIRST, outcome=None), status=OrderStatus.SUBMITTED), status) == []


def test_what_a_node_cannot_tell_of_an_order_under_way_is_asked_again_once_it_has_an_outcome() -> None:
    under_way = order(replace(FIRST, outcome=None), status=OrderStatus.SUBMITTED)
    assert found(under_way, UNKNOWN, height=0) == []
    said_dead = order(replace(FIRST, outcome="dead"), status=OrderStatus.SUBMITTED)
    assert found(said_dead, UNKNOWN, height=0) == [(Rule.OUTCOME, True)]


def test_order_may_give_all_of_its_amount_and_get_just_its_least() -> None:
    spent = replace(LANDED, input_units=1_000_000_000, output_units=147_000_000)
    told = order(FIRST, published={**PUBLISHED, "unspentInputAmount": None})
    assert found(replace(told, input_units=1_000_000_000, output_units=147_000_000), spent) == []


def test_two_landed_transactions_of_one_order_are_told_whatever_the_record_says() -> None:
    twice = order(replace(FIRST, outcome="dead"), SECOND)
    assert found(twice, LANDED, LANDED) == [(Rule.OUTCOME, False), (Rule.ONE_LANDED, False)]


def test_second_landed_transaction_is_told_beside_the_one_that_confirmed_its_order() -> None:
    for status in (OrderStatus.CONFIRMED, OrderStatus.SUBMITTED):
        twice = order(FIRST, replace(SECOND, outcome="landed"), status=status)
        confirmed_by_first = replace(twice, tx_signature=FIRST.signature)
        assert found(confirmed_by_first, LANDED, LANDED) == [(Rule.ONE_LANDED, False)]


def test_confirmed_order_of_which_nothing_landed_is_broken_where_the_chain_remembers() -> None:
    assert found(order(FIRST), UNKNOWN) == [(Rule.OUTCOME, False), (Rule.ONE_LANDED, False)]


@pytest.mark.parametrize(
    ("height", "history_from"),
    [(TIP, LAST - 149), (0, 0), (LAST + 2, 0)],
    ids=["pruned", "unsettled", "alive"],
)
def test_what_the_node_cannot_tell_is_unknown_and_neither_clean_nor_broken(
    height: int, history_from: int
) -> None:
    asked = order(FIRST)
    assert found(asked, UNKNOWN, height=height, history_from=history_from) == [
        (Rule.OUTCOME, True),
        (Rule.ONE_LANDED, True),
    ]
    dead = order(replace(FIRST, outcome="dead"), status=OrderStatus.FAILED)
    assert found(dead, UNKNOWN, height=height, history_from=history_from) == [(Rule.OUTCOME, True)]


def test_confirmed_order_of_which_another_transaction_landed_is_broken() -> None:
    other = order(FIRST, replace(SECOND, outcome="dead"))
    assert found(other, LANDED, UNKNOWN) == [(Rule.ONE_LANDED, False)]


def test_order_that_ended_without_a_fill_and_landed_is_broken() -> None:
    failed = order(replace(FIRST, outcome="dead"), status=OrderStatus.EXPIRED)
    assert found(failed, LANDED) == [(Rule.OUTCOME, False), (Rule.ONE_LANDED, False)]


def test_attempt_of_a_final_order_without_an_outcome_is_broken() -> None:
    open_yet = order(replace(FIRST, outcome=None), status=OrderStatus.FAILED)
    assert found(open_yet, REFUSED) == [(Rule.OUTCOME, False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"slot": 501},
        {"unspentInputAmount": None},
        {"networkFeeLamports": 5_001},
        {"fees": [{"token": "SOL", "amount": "0.0026"}]},
    ],
)
def test_order_published_with_something_else_than_the_chain_moved_is_found(changed: dict[str, Any]) -> None:
    assert found(order(FIRST, published={**PUBLISHED, **changed}), LANDED) == [(Rule.AMOUNTS, False)]


@pytest.mark.parametrize(
    ("moved", "count"),
    [
        ({"output_units": 147_999_999}, 1),
        ({"output_units": 146_999_999}, 2),
        ({"input_units": 1_000_000_001}, 3),
    ],
)
def test_amounts_that_differ_and_amounts_beyond_the_orders_bounds_are_found(
    moved: dict[str, Any], count: int
) -> None:
    assert found(order(FIRST), replace(LANDED, **moved)) == [(Rule.AMOUNTS, False)] * count


@pytest.mark.parametrize(
    ("moved", "count"),
    [
        ({}, 0),
        ({"output_units": 147_999_999}, 2),
        ({"output_units": 148_000_001}, 1),
        ({"input_units": 990_000_001}, 1),
        ({"input_units": 1_000_000_001}, 2),
    ],
)
def test_order_of_an_exact_output_gets_it_for_what_its_transaction_allows(
    moved: dict[str, Any], count: int
) -> None:
    bounded = replace(FIRST, threshold_units=1_000_000_000)
    published = {name: value for name, value in PUBLISHED.items() if name != "unspentInputAmount"}
    asked = order(bounded, published=published)
    wanted = replace(asked, swap_mode=SwapMode.EXACT_OUT, amount_units=148_000_000)
    assert found(wanted, replace(LANDED, **moved)) == [(Rule.AMOUNTS, False)] * count


def test_fee_of_nothing_and_one_in_a_token_that_is_not_known_any_more_are_not_compared() -> None:
    for fee in ({"fee_token": "USDC", "fee_units": 0}, {"fee_token": "gone"}):
        assert found(order(FIRST), replace(LANDED, legs=(LEG, replace(LEG, **fee)))) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"nonsense",
        attempt(1, order_id=UUID(int=8)).payload,
        FIRST.payload[:40] + b"\0" + FIRST.payload[41:],
        attempt(1, blockhash=b"\x01" * 32).payload,
    ],
    ids=["no transaction", "another order's", "another signature", "another of the same attempt"],
)
def test_bytes_that_are_not_this_attempts_are_found(payload: bytes) -> None:
    assert found(order(replace(FIRST, payload=payload)), LANDED) == [(Rule.BYTES, False)]


@pytest.mark.parametrize(
    "odd",
    [
        attempt(1, order_id=UUID(int=8)),
        replace(FIRST, attempt=2),
        replace(FIRST, payload=FIRST.payload.replace(bytes(32), b"\x01" * 32)),
        attempt(1, program=TOKEN),
    ],
    ids=["another order's", "another attempt's", "changed after it was signed", "not by a memo"],
)
def test_bytes_under_their_own_signature_that_are_not_this_attempts_are_found(odd: Attempt) -> None:
    assert found(order(odd), LANDED) == [(Rule.BYTES, False)]


def test_wallet_of_an_attempt_is_the_one_that_pays() -> None:
    assert authority_of(FIRST.payload) == KEY.key
    assert authority_of(b"nonsense") is None


OF_METEORA = replace(LEG, venue="meteora", fee_token="USDC", fee_units=7_000)
LEGS = (LEG, OF_METEORA, replace(LEG, fee_units=500_000))


@pytest.mark.parametrize(
    ("published", "is_explained"),
    [
        ([("SOL", "0.003"), ("USDC", "0.007")], True),
        ([("SOL", "0.0025"), ("USDC", "0.007")], True),
        ([("USDC", "0.007")], True),
        ([("SOL", "0.0005"), ("USDC", "0.007")], False),  # what comes after a part that was cut off
        ([("SOL", "0.003")], False),  # no node cuts that off
        ([("SOL", "0")], False),
        ([("SOL", "0.0031"), ("USDC", "0.007")], False),
    ],
)
def test_fees_that_the_log_of_another_node_did_not_tell_are_no_difference(
    published: list[tuple[str, str]], is_explained: bool
) -> None:
    fees = [{"token": symbol, "amount": amount} for symbol, amount in published]
    shown = replace(LANDED, legs=LEGS)
    differences = found(order(FIRST, published={**PUBLISHED, "fees": fees}), shown)
    assert differences == ([] if is_explained else [(Rule.AMOUNTS, False)])


def test_fee_that_was_published_as_none_is_no_difference_where_the_log_alone_tells_of_it() -> None:
    published = {**PUBLISHED, "fees": [{"token": "SOL", "amount": "0"}]}
    assert found(order(FIRST, published=published), LANDED) == []


def test_fees_are_not_compared_with_a_log_that_is_cut_off() -> None:
    untold = replace(LANDED, legs=(LEG, replace(LEG, fee_units=0)), untold_legs=frozenset({1}))
    more = {**PUBLISHED, "fees": [{"token": "SOL", "amount": "0.005"}]}
    assert found(order(FIRST, published=more), untold) == []
    whole = replace(untold, untold_legs=frozenset())
    assert found(order(FIRST, published=more), whole) == [(Rule.AMOUNTS, False)]
