from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.adapters.solana.failures import is_delegated, is_leg_refusal, refusal_of
from chalicelib.adapters.solana.fixed_amounts import AmountFixer
from chalicelib.adapters.solana.holdings import Holdings
from chalicelib.adapters.solana.instructions import create_token_account
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.programs import (
    ASSOCIATED_TOKEN,
    MEMO,
    PROGRAM_IDS,
    SYSTEM,
    TOKEN,
    Cluster,
    SwapProgram,
)
from chalicelib.adapters.solana.rpc_answers import InnerInstruction
from chalicelib.adapters.solana.swap_calls import keys_of
from chalicelib.adapters.solana.swap_message import contents
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.amm.swaps import Exact
from chalicelib.domain.errors import Code
from tests.unit.adapters.solana.books import (
    AMOUNT,
    a_book,
    a_book_pool,
    a_key,
    a_mint,
    an_instruction,
    wallet_alone,
)

IDS = PROGRAM_IDS[Cluster.MAINNET]


def code(program: Pubkey, kind: Any, logs: tuple[str, ...] = ()) -> Code:
    return refusal_of({"InstructionError": [0, kind]}, logs, [InnerInstruction(program, (), b"")], IDS)


@pytest.mark.parametrize(
    ("program", "kind", "expected"),
    [
        (IDS.cpmm, {"Custom": 6005}, Code.SLIPPAGE_EXCEEDED),
        (IDS.dlmm, {"Custom": 6037}, Code.INSUFFICIENT_LIQUIDITY),
        (IDS.damm_v2, {"Custom": 1}, Code.INSUFFICIENT_FUNDS),
        (IDS.damm_v2, {"Custom": 4}, Code.INSUFFICIENT_FUNDS),
        (IDS.damm_v2, {"Custom": 17}, Code.TRANSACTION_FAILED),
        (IDS.damm_v2, {"Custom": 6003}, Code.TRANSACTION_FAILED),
        (IDS.cpmm, "ComputationalBudgetExceeded", Code.TRANSACTION_FAILED),
        (SYSTEM, {"Custom": 1}, Code.INSUFFICIENT_FUNDS),
        (TOKEN, {"Custom": 1}, Code.INSUFFICIENT_FUNDS),
        (TOKEN, {"Custom": 4}, Code.TRANSACTION_FAILED),
        (ASSOCIATED_TOKEN, {"Custom": 1}, Code.INSUFFICIENT_FUNDS),
        (MEMO, "InvalidInstructionData", Code.TRANSACTION_FAILED),
    ],
)
def test_program_and_number_decide_without_a_name(program: Pubkey, kind: Any, expected: Code) -> None:
    assert code(program, kind) is expected


@pytest.mark.parametrize("is_desk", [False, True])
@pytest.mark.parametrize(
    ("fault", "is_whose_pays"),
    [
        ("InsufficientFundsForFee", True),
        ({"InsufficientFundsForRent": {"account_index": 0}}, True),
        ({"InstructionError": [0, {"Custom": 1}]}, True),
        ({"InstructionError": [1, {"Custom": 1}]}, False),
    ],
)
def test_desk_that_cannot_pay_is_no_want_of_its_owners(
    fault: Any, *, is_whose_pays: bool, is_desk: bool
) -> None:
    payer, owner = a_key(8), a_key(9) if is_desk else a_key(8)
    made = create_token_account(payer, owner, a_key(7), TOKEN)
    outer = [
        InnerInstruction(made.program, keys_of(made.accounts), made.data),
        InnerInstruction(IDS.cpmm, (), b""),
    ]
    expected = Code.TRANSACTION_FAILED if is_desk and is_whose_pays else Code.INSUFFICIENT_FUNDS
    assert refusal_of(fault, (), outer, IDS) is expected


def test_name_of_the_failed_program_goes_before_its_number() -> None:
    text = address_of(IDS.clmm)
    logs = (
        f"Program {text} invoke [1]",
        "Program log: Error Code: TooLittleOutputReceived. Error Number: 6022.",
        f"Program {text} failed: custom program error",
    )
    assert code(IDS.clmm, {"Custom": 6022}, logs) is Code.SLIPPAGE_EXCEEDED
    # Another number than the one that ended the transaction: the name belongs to something else.
    assert code(IDS.clmm, {"Custom": 6016}, logs) is Code.INSUFFICIENT_LIQUIDITY


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"InsufficientFundsForRent": {"account_index": 3}}, Code.INSUFFICIENT_FUNDS),
        ("InsufficientFundsForFee", Code.INSUFFICIENT_FUNDS),
        ("AccountInUse", Code.TRANSACTION_FAILED),
        ({"InstructionError": [7, {"Custom": 1}]}, Code.TRANSACTION_FAILED),
        ({}, Code.TRANSACTION_FAILED),
        (17, Code.TRANSACTION_FAILED),
    ],
)
def test_error_of_no_instruction_of_ours_is_told_as_it_is_known(fault: Any, expected: Code) -> None:
    assert refusal_of(fault, (), [], IDS) is expected


ONE = a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (a_mint(1), a_mint(2)))
OTHER = a_book_pool(SwapProgram.DAMM_V2, "other", ("A", "B"), (a_mint(1), a_mint(2)))
NEXT = a_book_pool(SwapProgram.DLMM, "next", ("B", "C"), (a_mint(2), a_mint(3)))
DIRECT = a_book_pool(SwapProgram.CLMM, "direct", ("A", "C"), (a_mint(1), a_mint(3)))
ALONE = (("A", "B"), [[("one", AMOUNT)]])
SPLIT = (("A", "B"), [[("one", AMOUNT), ("other", AMOUNT)]])
TWO_HOPS = (("A", "B", "C"), [[("one", AMOUNT)], [("next", AMOUNT)]])
SPLIT_FIRST = (("A", "B", "C"), [[("one", AMOUNT), ("other", AMOUNT)], [("next", AMOUNT)]])
DIRECT_TOO = (("A", "C"), [[("direct", AMOUNT)]])


@pytest.mark.parametrize("owner", [8, 9])
@pytest.mark.parametrize("paths", [[ALONE], [TWO_HOPS]], ids=len)
def test_swap_whose_output_is_not_its_signers_is_a_desks(paths: Sequence[Any], owner: int) -> None:
    plan = AmountFixer(a_book(ONE, OTHER, NEXT)).fix(an_instruction(*paths, threshold=1))
    plan = plan._replace(left_between=frozenset())
    wallet = TradingWallet(a_key(8), a_key(owner))
    tokens = paths[0][0][0], paths[0][0][-1]
    made = contents(plan, wallet, Holdings(10**9, {}), tokens=tokens, sol_in=None, mark="mark")
    outer = [InnerInstruction(one.program, keys_of(one.accounts), one.data) for one in made.instructions]
    assert is_delegated(outer, IDS) is (owner != 8)
    assert not is_delegated([InnerInstruction(IDS.cpmm, (), b"of another kind")], IDS)


@pytest.mark.parametrize("mode", list(Exact))
@pytest.mark.parametrize(
    "paths", [[ALONE], [SPLIT], [TWO_HOPS], [SPLIT_FIRST], [TWO_HOPS, DIRECT_TOO]], ids=len
)
def test_swap_has_the_orders_threshold_only_if_it_is_the_only_one(paths: Sequence[Any], mode: Exact) -> None:
    book = a_book(ONE, OTHER, NEXT, DIRECT)
    plan = AmountFixer(book).fix(
        an_instruction(*paths, mode=mode, threshold=1 if mode is Exact.IN else 2**60)
    )
    tokens = paths[0][0][0], paths[0][0][-1]
    made = contents(plan, wallet_alone(), Holdings(10**9, {}), tokens=tokens, sol_in=None, mark="mark")
    outer = [InnerInstruction(one.program, keys_of(one.accounts), one.data) for one in made.instructions]
    by_program = {IDS.program_of(one.program): place for place, one in enumerate(outer)}
    for swap in plan.swaps:
        fault = {"InstructionError": [by_program[IDS.program_of(swap.pool.on_chain.program)], "Custom"]}
        assert is_leg_refusal(fault, outer, IDS) is (paths != [ALONE])
    for other in ("AccountInUse", {"InstructionError": [len(outer) - 1, "InvalidInstructionData"]}):
        assert not is_leg_refusal(other, outer, IDS)
