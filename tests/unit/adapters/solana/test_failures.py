from typing import Any

import pytest

from chalicelib.adapters.solana.failures import refusal_of
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.lighthouse import assert_balance_at_least, assert_time_at_most
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, MEMO, PROGRAM_IDS, SYSTEM, TOKEN, Cluster
from chalicelib.adapters.solana.rpc_answers import InnerInstruction
from chalicelib.domain.errors import Code
from tests.unit.adapters.solana.books import a_key

IDS = PROGRAM_IDS[Cluster.MAINNET]


def code(program: Pubkey, kind: Any, logs: tuple[str, ...] = (), data: bytes = b"") -> Code:
    return refusal_of({"InstructionError": [0, kind]}, logs, [InnerInstruction(program, (), data)], IDS)


@pytest.mark.parametrize(
    ("program", "kind", "expected"),
    [
        (IDS.cpmm, {"Custom": 6005}, Code.SLIPPAGE_EXCEEDED),
        (IDS.dlmm, {"Custom": 6037}, Code.INSUFFICIENT_LIQUIDITY),
        (IDS.damm_v2, {"Custom": 1}, Code.INSUFFICIENT_FUNDS),
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


def test_assertion_that_fails_says_which_promise_did_not_hold() -> None:
    late, short = assert_time_at_most(5), assert_balance_at_least(a_key(1), 5)
    assert code(late.program, {"Custom": 6400}, data=late.data) is Code.DEADLINE_EXCEEDED
    assert code(short.program, {"Custom": 6400}, data=short.data) is Code.SLIPPAGE_EXCEEDED


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
