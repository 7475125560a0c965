"""What became of a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey


@dataclass(frozen=True, slots=True)
class Inner:
    """One instruction that a program called."""

    program: Pubkey
    accounts: tuple[Pubkey, ...]
    data: bytes
    height: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction.

    Attributes:
        err: As JSON-RPC has it; None if it succeeded.
        changes: Accounts after it, None for those that are gone. On failure just the payer's.
        inner: By outer instruction.
    """

    err: object
    logs: tuple[str, ...]
    units: int
    fee: int
    changes: Mapping[Pubkey, Account | None]
    inner: Mapping[int, tuple[Inner, ...]] = field(default_factory=dict)
    return_data: tuple[Pubkey, bytes] | None = None
