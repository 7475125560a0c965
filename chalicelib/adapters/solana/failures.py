"""Why a transaction that failed on chain did, in the engine's words: by names in the log, else by numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.lighthouse import LIGHTHOUSE
from chalicelib.adapters.solana.program_logs import SwapFailure, failure_of, logged_error
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, SYSTEM, TOKEN_PROGRAMS, ProgramIds
from chalicelib.adapters.solana.rpc_answers import InnerInstruction
from chalicelib.adapters.solana.rpc_errors import instruction_fault
from chalicelib.adapters.solana.swap_calls import SwapCall, swap_call
from chalicelib.amm.swaps import Exact
from chalicelib.domain.errors import Code

_CODES: Final = {
    SwapFailure.NOT_OPEN: Code.TRANSACTION_FAILED,
    SwapFailure.SLIPPAGE: Code.SLIPPAGE_EXCEEDED,
    SwapFailure.LIQUIDITY: Code.INSUFFICIENT_LIQUIDITY,
    SwapFailure.AMOUNT: Code.TRANSACTION_FAILED,
    SwapFailure.FUNDS: Code.INSUFFICIENT_FUNDS,
    SwapFailure.ACCOUNTS: Code.TRANSACTION_FAILED,
    SwapFailure.OTHER: Code.TRANSACTION_FAILED,
}
OF_THE_MARKET: Final = frozenset({Code.SLIPPAGE_EXCEEDED, Code.INSUFFICIENT_LIQUIDITY})
_MONEY: Final = frozenset({SYSTEM, ASSOCIATED_TOKEN, *TOKEN_PROGRAMS})
_INSUFFICIENT_FUNDS: Final = 1  # of the system program and of both token programs
_UNFUNDED: Final = frozenset({"InsufficientFundsForFee", "InsufficientFundsForRent", "AccountNotFound"})
_CLOCK_ASSERTION: Final = 15


def refusal_of(fault: Any, logs: Sequence[str], outer: Sequence[InnerInstruction], ids: ProgramIds) -> Code:
    """Return the code for a transaction's error.

    Args:
        fault: As JSON-RPC has it.
        outer: The message's instructions, to tell which program failed.
    """
    found = instruction_fault(fault)
    if found is None:
        name = fault if isinstance(fault, str) else next(iter(fault), "") if isinstance(fault, dict) else ""
        return Code.INSUFFICIENT_FUNDS if name in _UNFUNDED else Code.TRANSACTION_FAILED
    index, kind = found
    if not 0 <= index < len(outer):
        return Code.TRANSACTION_FAILED
    return _of_instruction(outer[index].program, outer[index].data, kind, logs, ids)


def is_leg_refusal(fault: Any, outer: Sequence[InnerInstruction], ids: ProgramIds) -> bool:
    """Return whether what failed is a swap whose threshold is not the order's, or not all of it.

    The order's is about what the last swaps pay (exact in), or the first ones take (exact out): it is that of
    one swap alone if there is but one of them.
    """
    found = instruction_fault(fault)
    try:
        called = {place: swap_call(ids, *one) for place, one in enumerate(outer)}
    except ValueError:
        return False
    calls = {place: call for place, call in called.items() if call is not None}
    return found is not None and found[0] in calls and _bound(calls) != [found[0]]


def _bound(calls: Mapping[int, SwapCall]) -> list[int]:
    """Return the places of the swaps that the order's threshold is about."""
    given = {call.input_account for call in calls.values()}
    got = {call.output_account for call in calls.values()}
    last = [place for place, call in calls.items() if call.output_account not in given]
    if any(calls[place].mode is Exact.IN for place in last):
        return last
    return [place for place, call in calls.items() if call.input_account not in got]


def _of_instruction(
    program: Pubkey, data: bytes, kind: int | str, logs: Sequence[str], ids: ProgramIds
) -> Code:
    number = kind if isinstance(kind, int) else None
    if program in _MONEY:
        return Code.INSUFFICIENT_FUNDS if number == _INSUFFICIENT_FUNDS else Code.TRANSACTION_FAILED
    if program == LIGHTHOUSE:
        is_late = data[:1] == bytes([_CLOCK_ASSERTION])
        return Code.DEADLINE_EXCEEDED if is_late else Code.SLIPPAGE_EXCEEDED
    swap_program = ids.program_of(program)
    if swap_program is None:
        return Code.TRANSACTION_FAILED
    error = logged_error(logs)
    # Of the program that failed: one that it called may have named an error of its own before.
    name = error.name if error is not None and error.program == program and error.number == number else None
    return _CODES[failure_of(swap_program, name=name, number=number)]
