"""Why a transaction that failed on chain did, in the engine's words: by names in the log, else by numbers."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.program_logs import SwapFailure, failure_of, logged_error
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, SYSTEM, TOKEN_PROGRAMS, ProgramIds
from chalicelib.adapters.solana.rpc_answers import InnerInstruction
from chalicelib.adapters.solana.rpc_errors import instruction_fault
from chalicelib.adapters.solana.swap_calls import swap_call
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
_PAYING: Final = frozenset({SYSTEM, ASSOCIATED_TOKEN})
_MONEY: Final = frozenset({SYSTEM, ASSOCIATED_TOKEN, *TOKEN_PROGRAMS})
_INSUFFICIENT_FUNDS: Final = 1  # of the system program and of both token programs
_UNFUNDED: Final = frozenset({"InsufficientFundsForFee", "InsufficientFundsForRent", "AccountNotFound"})


def refusal_of(fault: Any, logs: Sequence[str], outer: Sequence[InnerInstruction], ids: ProgramIds) -> Code:
    """Return the code for a transaction's error.

    Of a desk that cannot pay for what its owner's swap needs, it is no want of the owner's funds.

    Args:
        fault: As JSON-RPC has it.
        outer: The message's instructions, to tell which program failed.
    """
    found = instruction_fault(fault)
    if found is None:
        name = fault if isinstance(fault, str) else next(iter(fault), "") if isinstance(fault, dict) else ""
        is_owners = name in _UNFUNDED and not _is_paid_by_a_desk(outer)
        return Code.INSUFFICIENT_FUNDS if is_owners else Code.TRANSACTION_FAILED
    index, kind = found
    if not 0 <= index < len(outer):
        return Code.TRANSACTION_FAILED
    if outer[index].program in _PAYING and _is_paid_by_a_desk(outer):
        return Code.TRANSACTION_FAILED
    return _of_instruction(outer[index].program, kind, logs, ids)


def _is_paid_by_a_desk(outer: Sequence[InnerInstruction]) -> bool:
    """Return whether who pays is not whose swap it is: its output's account is made, or was, for another."""
    made = [one.accounts for one in outer if one.program == ASSOCIATED_TOKEN]
    return any(accounts[0:1] != accounts[2:3] for accounts in made)


def is_delegated(outer: Sequence[InnerInstruction], ids: ProgramIds) -> bool:
    """Return whether who signs swaps another's tokens: what it pays for with them is not its own."""
    return any(map(partial(_pays_another, ids), outer))


def _pays_another(ids: ProgramIds, one: InnerInstruction) -> bool:
    try:
        call = swap_call(ids, one.program, one.accounts, one.data)
    except ValueError:
        return False
    return call is not None and not any(
        associated_token_account(call.authority, mint, program) == call.output_account
        for mint in call.mints
        for program in TOKEN_PROGRAMS
    )


def is_leg_refusal(fault: Any, outer: Sequence[InnerInstruction], ids: ProgramIds) -> bool:
    """Return whether what failed is one swap of several.

    Each has a threshold of its own: between two hops, for its part of a split, or on what is left by the
    reserve of another hop. So the whole order might have kept its threshold with other amounts.
    """
    found = instruction_fault(fault)
    swaps = [place for place, one in enumerate(outer) if ids.program_of(one.program) is not None]
    return found is not None and len(swaps) > 1 and found[0] in swaps


def _of_instruction(program: Pubkey, kind: int | str, logs: Sequence[str], ids: ProgramIds) -> Code:
    number = kind if isinstance(kind, int) else None
    if program in _MONEY:
        return Code.INSUFFICIENT_FUNDS if number == _INSUFFICIENT_FUNDS else Code.TRANSACTION_FAILED
    swap_program = ids.program_of(program)
    if swap_program is None:
        return Code.TRANSACTION_FAILED
    error = logged_error(logs)
    # Of the program that failed: one that it called may have named an error of its own before.
    name = error.name if error is not None and error.program == program and error.number == number else None
    return _CODES[failure_of(swap_program, name=name, number=number)]
