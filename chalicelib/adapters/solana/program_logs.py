"""What a transaction's log tells: events, and by name the error that ended it.

Numbers of errors shift from build to build of a program (CLMM's did in May 2026: 6022 meant too little
output, and means too small an amount now); names do not. So the name in the log decides, and the number only
where the log is missing or was cut off.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import takewhile
from typing import Final, NamedTuple

from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.programs import SwapProgram

# A number or a name that is longer than any that a program has is a node's own: Python reads no integer of
# thousands of digits, and names are told to clients.
_INVOKE: Final = re.compile(r"Program (\w{32,44}) invoke \[([0-9]{1,3})\]")
_END: Final = re.compile(r"Program \w{32,44} (success|failed.*)")
_DATA: Final = "Program data: "
_ERROR: Final = re.compile(r"Error Code: ([A-Za-z0-9_]{1,64})\. Error Number: ([0-9]{1,10})\.")
_TRUNCATED: Final = "Log truncated"


class LoggedEvent(NamedTuple):
    """An event, and which program wrote it.

    Attributes:
        top: Counts the transaction's outer instructions that the log knows, from 0.
    """

    program: Pubkey
    top: int
    data: bytes


class LoggedError(NamedTuple):
    """An Anchor program's error by name and number, and which program was running."""

    program: Pubkey
    name: str
    number: int


class SwapFailure(StrEnum):
    """What a program's error means for an order."""

    NOT_OPEN = "not_open"
    SLIPPAGE = "slippage"
    LIQUIDITY = "liquidity"
    AMOUNT = "amount"  # nothing would be paid, or nothing is given
    FUNDS = "funds"  # the trader's account does not hold the input, or its delegate may not move it
    ACCOUNTS = "accounts"  # we passed the wrong ones, or too few of them
    OTHER = "other"


def logged_events(logs: Iterable[str]) -> Iterator[LoggedEvent]:
    """Yield what programs wrote as data, each with the program that was running.

    Lines that are no base64 are passed over: any program may write any line. So are those after a part that
    was cut off, which may lack the line by which they would belong to something.
    """
    for program, top, line in _attributed(takewhile(_is_kept, logs)):
        if line.startswith(_DATA):
            try:
                data = base64.b64decode(line.removeprefix(_DATA), validate=True)
            except (binascii.Error, ValueError):
                continue
            yield LoggedEvent(program, top, data)


def logged_error(logs: Iterable[str]) -> LoggedError | None:
    """Return the last error that a program named before it failed, None if there is none."""
    found = None
    for program, _, line in _attributed(logs):
        match = _ERROR.search(line) if line.startswith("Program log: ") else None
        if match:
            found = LoggedError(program, match[1], int(match[2]))
    return found


def ended_runs(logs: Iterable[str]) -> int:
    """Return how many of the outer instructions, from the first, a log tells of to their end.

    Of those after them it may lack anything: nodes cut logs off after a line or inside one, and say so or do
    not. Half an event may look like a whole one.
    """
    depth = ended = 0
    for line in takewhile(_is_kept, logs):
        started = _INVOKE.fullmatch(line)
        if started:
            depth = int(started[2])
        elif depth and _END.fullmatch(line):
            depth -= 1
            ended += not depth
    return ended


def _is_kept(line: str) -> bool:
    return not line.startswith(_TRUNCATED)


def failure_of(program: SwapProgram, *, name: str | None, number: int | None) -> SwapFailure:
    """Return what an error means; the name counts, the number where there is no name."""
    if program is SwapProgram.CLMM and (name == _GREATER or (name is None and number == _GREATER_NUMBER)):
        return SwapFailure.NOT_OPEN  # the only thing that this program compares so is the opening time
    if name is not None:
        return _BY_NAME.get(name, SwapFailure.OTHER)
    if number is None:
        return SwapFailure.OTHER
    return _BY_NUMBER[program].get(number, _TOKEN_PROGRAM.get(number, SwapFailure.OTHER))


_GREATER, _GREATER_NUMBER = "RequireGtViolated", 2505
_BY_NAME: Final = {
    "NotApproved": SwapFailure.NOT_OPEN,
    "PoolDisabled": SwapFailure.NOT_OPEN,
    "ExceededSlippage": SwapFailure.SLIPPAGE,
    "TooLittleOutputReceived": SwapFailure.SLIPPAGE,
    "TooMuchInputPaid": SwapFailure.SLIPPAGE,
    "ExceededAmountSlippageTolerance": SwapFailure.SLIPPAGE,
    "InsufficientVault": SwapFailure.LIQUIDITY,
    "LiquidityInsufficient": SwapFailure.LIQUIDITY,
    "InsufficientLiquidityForDirection": SwapFailure.LIQUIDITY,
    "InsufficientLiquidity": SwapFailure.LIQUIDITY,
    "BinArrayNotFound": SwapFailure.LIQUIDITY,
    "PairInsufficientLiquidity": SwapFailure.LIQUIDITY,
    "PriceRangeViolation": SwapFailure.LIQUIDITY,
    "MathOverflow": SwapFailure.LIQUIDITY,
    "MaxTokenOverflow": SwapFailure.LIQUIDITY,
    "UndeterminedError": SwapFailure.LIQUIDITY,
    "ZeroTradingTokens": SwapFailure.AMOUNT,
    "RequireGtViolated": SwapFailure.AMOUNT,
    "TooSmallInputOrOutputAmount": SwapFailure.AMOUNT,
    "ZeroAmountSpecified": SwapFailure.AMOUNT,
    "InsufficientOutAmount": SwapFailure.AMOUNT,
    "AmountIsZero": SwapFailure.AMOUNT,
    "InsufficientInAmount": SwapFailure.SLIPPAGE,
    "NotEnoughTickArrayAccount": SwapFailure.ACCOUNTS,
    "InvalidFirstTickArrayAccount": SwapFailure.ACCOUNTS,
    "MissingTickArrayBitmapExtensionAccount": SwapFailure.ACCOUNTS,
    "BitmapExtensionAccountIsNotProvided": SwapFailure.ACCOUNTS,
    "AccountNotEnoughKeys": SwapFailure.ACCOUNTS,
    "AccountNotInitialized": SwapFailure.ACCOUNTS,
    "FailToValidateSingleSwapInstruction": SwapFailure.ACCOUNTS,
}
_ANCHOR: Final = {
    2505: SwapFailure.AMOUNT,
    3005: SwapFailure.ACCOUNTS,
    3012: SwapFailure.ACCOUNTS,
}
# Not 17, an account that is frozen: one of the wallet's is seen before anything is signed, and of another's
# the wallet is not to blame.
_TOKEN_PROGRAM: Final = {
    1: SwapFailure.FUNDS,
    4: SwapFailure.FUNDS,
}
# Of today's builds.
_BY_NUMBER: Final = {
    SwapProgram.CPMM: _ANCHOR
    | {
        6000: SwapFailure.NOT_OPEN,
        6005: SwapFailure.SLIPPAGE,
        6006: SwapFailure.AMOUNT,
        6012: SwapFailure.LIQUIDITY,
    },
    SwapProgram.CLMM: _ANCHOR
    | {
        6000: SwapFailure.NOT_OPEN,
        6016: SwapFailure.LIQUIDITY,
        6018: SwapFailure.SLIPPAGE,
        6019: SwapFailure.SLIPPAGE,
        6020: SwapFailure.AMOUNT,
        6022: SwapFailure.AMOUNT,
        6023: SwapFailure.ACCOUNTS,
        6024: SwapFailure.ACCOUNTS,
        6035: SwapFailure.ACCOUNTS,
        6036: SwapFailure.LIQUIDITY,
        6037: SwapFailure.LIQUIDITY,
    },
    SwapProgram.DLMM: _ANCHOR
    | {
        6003: SwapFailure.SLIPPAGE,
        6009: SwapFailure.LIQUIDITY,
        6012: SwapFailure.LIQUIDITY,
        6036: SwapFailure.ACCOUNTS,
        6037: SwapFailure.LIQUIDITY,
        6039: SwapFailure.AMOUNT,
        6042: SwapFailure.NOT_OPEN,
        6085: SwapFailure.LIQUIDITY,
        6104: SwapFailure.SLIPPAGE,
    },
    SwapProgram.DAMM_V2: _ANCHOR
    | {
        6000: SwapFailure.LIQUIDITY,
        6002: SwapFailure.SLIPPAGE,
        6003: SwapFailure.NOT_OPEN,
        6006: SwapFailure.AMOUNT,
        6015: SwapFailure.LIQUIDITY,
        6049: SwapFailure.ACCOUNTS,
    },
}


def _attributed(logs: Iterable[str]) -> Iterator[tuple[Pubkey, int, str]]:
    """Yield each line within a program's run, with that program and the outer instruction it belongs to."""
    running: list[Pubkey] = []
    top = -1
    for line in logs:
        started = _INVOKE.fullmatch(line)
        if started:
            if started[2] == "1":
                running, top = [], top + 1
            try:
                running.append(pubkey(started[1]))
            except ValueError:
                return  # no node writes this: what follows cannot be attributed
        elif _END.fullmatch(line):
            if running:
                running.pop()
        elif running:
            yield running[-1], top, line
