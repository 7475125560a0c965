"""What the four swap programs share.

Anchor's errors, checks of accounts, and the result of one instruction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import AccountMeta, Instruction
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.layout import Fields, Layout
from chalicelib.adapters.solana.programs import TOKEN_PROGRAMS, account_discriminator
from chalicelib.amm.swaps import Exact, Swap, SwapResult, TokenIndex

Overlay = Callable[[Pubkey], Account | None]
"""Accounts as an instruction finds them.

The state before the transaction under what its earlier swaps wrote.
"""


class ProgramError(Exception):
    """An instruction fails with one of its program's errors, or with one of the runtime's.

    Attributes:
        name, number, message: As Anchor logs them. ``number`` None stands for the runtime's error called
        ``name``.
        account: Which account of the instruction caused it, by the program's name for it.
    """

    def __init__(self, name: str, number: int | None, message: str, account: str | None = None) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.number = number
        self.message = message
        self.account = account

    @property
    def err(self) -> object:
        """The error of the instruction as JSON-RPC has it."""
        return self.name if self.number is None else {"Custom": self.number}

    def log(self) -> str:
        """Return the line that Anchor writes."""
        cause = "occurred" if self.account is None else f"caused by account: {self.account}"
        return (
            f"Program log: AnchorError {cause}. Error Code: {self.name}. Error Number: {self.number}. "
            f"Error Message: {self.message}."
        )


class Transfer(NamedTuple):
    """One movement of tokens by the token program; ``authority`` owns the source or is its delegate."""

    source: Pubkey
    mint: Pubkey
    destination: Pubkey
    authority: Pubkey
    amount: int
    decimals: int
    token_program: Pubkey


@dataclass(frozen=True, slots=True)
class Executed:
    """What a swap instruction does.

    Attributes:
        name: Of the instruction, as the program logs it.
        transfers: In the program's order: the trader's into the vault, the vault's to the trader.
        writes: New data of accounts that the program owns.
        balances: New amounts of the vaults, for swaps that follow in the same transaction.
        log_events: Written as ``Program data``.
        cpi_events: Data of the program's calls of itself.
        units: Compute units that the real program takes for such a swap, transfers included, about.
    """

    name: str
    transfers: tuple[Transfer, ...]
    writes: Mapping[Pubkey, bytes]
    balances: Mapping[Pubkey, int]
    log_events: tuple[bytes, ...] = ()
    cpi_events: tuple[bytes, ...] = ()
    units: int = 0


class Call(NamedTuple):
    """A swap as its instruction asks for it.

    Attributes:
        threshold: Least output (exact in) or most input (exact out).
    """

    token_in: TokenIndex
    mode: Exact
    amount: int
    threshold: int

    def request(self, clock: ClockSysvar) -> Swap:
        return Swap(self.mode, self.amount, self.token_in, clock.unix_timestamp, clock.slot)

    def is_beyond_threshold(self, result: SwapResult) -> bool:
        if self.mode is Exact.IN:
            return result.amount_out < self.threshold
        return result.amount_in > self.threshold


@dataclass(slots=True)
class Arguments:
    """An instruction's accounts by the program's names for them, checked as Anchor checks them."""

    instruction: Instruction
    names: Sequence[str]
    by_name: dict[str, AccountMeta] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accounts = self.instruction.accounts
        if len(accounts) < len(self.names):
            missing = self.names[len(accounts)]
            raise ProgramError(
                "AccountNotEnoughKeys", 3005, "Not enough account keys given to the instruction", missing
            )
        self.by_name = dict(zip(self.names, accounts, strict=False))

    @property
    def rest(self) -> tuple[AccountMeta, ...]:
        return self.instruction.accounts[len(self.names) :]

    def key(self, name: str) -> Pubkey:
        return self.by_name[name].key

    def signs(self, name: str) -> None:
        if not self.by_name[name].is_signer:
            raise ProgramError("AccountNotSigner", 3010, "The given account did not sign", name)

    def writes(self, *names: str) -> None:
        for name in names:
            if not self.by_name[name].is_writable:
                raise ProgramError("ConstraintMut", 2000, "A mut constraint was violated", name)

    def is_key(self, **expected: Pubkey) -> None:
        """Refuse an account that is not the one that the pool names.

        Raises:
            ProgramError: ``ConstraintAddress``.
        """
        for name, key in expected.items():
            if self.by_name[name].key != key:
                raise ProgramError("ConstraintAddress", 2012, "An address constraint was violated", name)

    def has_one(self, **expected: Pubkey) -> None:
        for name, key in expected.items():
            if self.by_name[name].key != key:
                raise ProgramError("ConstraintHasOne", 2001, "A has one constraint was violated", name)

    def seeds(self, **expected: Pubkey) -> None:
        for name, key in expected.items():
            if self.by_name[name].key != key:
                raise ProgramError("ConstraintSeeds", 2006, "A seeds constraint was violated", name)


def owned(account: Account | None, layout: Layout, program: Pubkey, name: str) -> Fields:
    """Return the fields of an account of the program, refused as Anchor refuses any other.

    Raises:
        ProgramError: There is none, it is another program's, or of another kind.
    """
    if account is None or not account.data:
        raise ProgramError(
            "AccountNotInitialized",
            3012,
            "The program expected this account to be already initialized",
            name,
        )
    if account.owner != program:
        raise ProgramError(
            "AccountOwnedByWrongProgram",
            3007,
            "The given account is owned by a different program than expected",
            name,
        )
    if account.data[:8] != account_discriminator(layout.name) or len(account.data) < layout.length:
        raise ProgramError(
            "AccountDiscriminatorMismatch",
            3002,
            "Account discriminator did not match what was expected",
            name,
        )
    return layout.read(account.data)


_AMOUNT_AT: Final = 64
_TOKEN_ACCOUNT_BYTES: Final = 165


class Held(NamedTuple):
    """A token account as far as a swap looks at it."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    program: Pubkey


def token_account(overlay: Overlay, key: Pubkey, name: str) -> Held:
    """Return a token account.

    Raises:
        ProgramError: There is none at that address, or it belongs to another program.
    """
    account = overlay(key)
    if account is None or not account.data:
        raise ProgramError(
            "AccountNotInitialized",
            3012,
            "The program expected this account to be already initialized",
            name,
        )
    if account.owner not in TOKEN_PROGRAMS or len(account.data) < _TOKEN_ACCOUNT_BYTES:
        raise ProgramError(
            "AccountOwnedByWrongProgram",
            3007,
            f"The given account is owned by {address_of(account.owner)}",
            name,
        )
    data = account.data
    amount = int.from_bytes(data[_AMOUNT_AT : _AMOUNT_AT + 8], "little")
    return Held(Pubkey(data[:32]), Pubkey(data[32:64]), amount, account.owner)


class Patch:
    """Bytes of an account with some fields overwritten."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)

    def put(self, at: int, value: int, width: int, *, signed: bool = False) -> None:
        self._data[at : at + width] = value.to_bytes(width, "little", signed=signed)

    def add(self, at: int, more: int, width: int = 8) -> None:
        """Add to an unsigned field, which wraps as the programs' counters do not: they would fail.

        Raises:
            ProgramError: The sum does not fit.
        """
        value = int.from_bytes(self._data[at : at + width], "little") + more
        if not 0 <= value < 1 << 8 * width:
            raise ProgramError("ProgramFailedToComplete", None, "a counter of the pool overflows")
        self.put(at, value, width)

    def done(self) -> bytes:
        return bytes(self._data)


def numbers(data: bytes, at: int, *widths: int) -> tuple[int, ...]:
    """Return the little-endian arguments of an instruction.

    Raises:
        ProgramError: The data is too short for them.
    """
    if len(data) < at + sum(widths):
        raise ProgramError(
            "InstructionDidNotDeserialize", 102, "The program could not deserialize the given instruction"
        )
    values = []
    for width in widths:
        values.append(int.from_bytes(data[at : at + width], "little"))
        at += width
    return tuple(values)


def u64s(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)
