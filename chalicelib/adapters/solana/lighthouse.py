"""Assertions at the end of a transaction, by the Lighthouse program: it does nothing but fail.

After Jac0xb/lighthouse ``programs/lighthouse/src/{instruction,types/assert}``; read there, and not executed
against the deployed program here. A cluster that does not have the program must not be sent these.
"""

from typing import Final

from chalicelib.adapters.solana.instructions import Instruction, readonly, u8, u64
from chalicelib.adapters.solana.keys import Pubkey, pubkey

LIGHTHOUSE: Final = pubkey("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95")

_TOKEN_ACCOUNT, _SYSVAR_CLOCK = 9, 15
_SILENT: Final = 0
_AMOUNT, _UNIX_TIMESTAMP = 2, 4
_AT_LEAST, _AT_MOST = 4, 5
CLOCK_BYTES: Final = 12


def assert_balance_at_least(account: Pubkey, units: int) -> Instruction:
    """Fail unless a token account holds at least so much by then, in base units."""
    data = u8(_TOKEN_ACCOUNT) + u8(_SILENT) + u8(_AMOUNT) + u64(units) + u8(_AT_LEAST)
    return Instruction(LIGHTHOUSE, (readonly(account),), data)


def assert_time_at_most(unix_s: int) -> Instruction:
    """Fail once the chain's clock is past a moment: an order's expiry then holds even for late bytes."""
    moment = unix_s.to_bytes(8, "little", signed=True)
    data = u8(_SYSVAR_CLOCK) + u8(_SILENT) + u8(_UNIX_TIMESTAMP) + moment + u8(_AT_MOST)
    return Instruction(LIGHTHOUSE, (), data)


def is_assertion(instruction: Instruction) -> bool:
    """Return whether an instruction of the program only asserts: others write memory accounts."""
    kind = instruction.data[:1]
    return kind in {bytes([_TOKEN_ACCOUNT]), bytes([_SYSVAR_CLOCK])}
