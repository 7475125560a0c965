"""Transactions as they are sent.

Taken apart, and refused for what a node refuses without running anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from solders.message import Message, MessageHeader, MessageV0, MessageV1
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.instructions import AccountMeta, Instruction
from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey, pubkey
from chalicelib.adapters.solana.programs import COMPUTE_BUDGET

WIRE_BYTES_MAX, V1_WIRE_BYTES_MAX = 1232, 4096
LAMPORTS_PER_SIGNATURE: Final = 5000
UNITS_PER_INSTRUCTION, UNITS_PER_BUILTIN, UNITS_MAX = 200_000, 3_000, 1_400_000
LOADED_BYTES_MAX: Final = 64 * 1024 * 1024
_LOOKUP_TABLES: Final = pubkey("AddressLookupTab1e1111111111111111111111111")
_TABLE_HEAD: Final = 56
_BUILTINS: Final = frozenset(
    map(
        pubkey,
        (
            "11111111111111111111111111111111",
            "ComputeBudget111111111111111111111111111111",
            "AddressLookupTab1e1111111111111111111111111",
        ),
    )
)
_UNIT_LIMIT, _UNIT_PRICE, _LOADED_LIMIT = 2, 3, 4
_VERSIONED: Final = 0x80


class TransactionError(Exception):
    """The transaction cannot land: ``err`` is the reason as JSON-RPC has it. Nothing is charged."""

    def __init__(self, err: object) -> None:
        super().__init__(str(err))
        self.err = err


class MalformedError(ValueError):
    """The bytes are no transaction."""


class Budget(NamedTuple):
    """What a transaction may use, and what it pays.

    Attributes:
        fee: In lamports, the part per signature included.
        priority_fee: The part of it that is not per signature.
        price: Micro-lamports per compute unit, for the recent fees.
    """

    units: int
    loaded_bytes: int
    fee: int
    priority_fee: int
    price: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction with all of its accounts known.

    Attributes:
        version: None for the first format.
        keys: Static ones, then those from tables: writable, readonly.
        loaded: How many of the last keys are from tables: (writable, readonly).
    """

    parsed: VersionedTransaction
    version: int | None
    signatures: tuple[bytes, ...]
    keys: tuple[Pubkey, ...]
    writable: tuple[bool, ...]
    signers: int
    loaded: tuple[int, int]
    instructions: tuple[Instruction, ...]
    places: tuple[tuple[int, bytes], ...]
    blockhash: bytes
    budget: Budget

    @property
    def signature(self) -> bytes:
        return self.signatures[0]

    @property
    def payer(self) -> Pubkey:
        return self.keys[0]


def parse(wire: bytes) -> VersionedTransaction:
    """Return a transaction from its bytes.

    Raises:
        MalformedError: They are none, or too many.
    """
    most = V1_WIRE_BYTES_MAX if wire[:1] == bytes([_VERSIONED | 1]) else WIRE_BYTES_MAX
    if len(wire) > most:
        raise MalformedError(f"VersionedTransaction too large: {len(wire)} bytes (max: {most} bytes)")
    try:
        transaction = VersionedTransaction.from_bytes(wire)
    except ValueError as e:
        raise MalformedError(
            f"failed to deserialize solana_transaction::versioned::VersionedTransaction: {e}"
        ) from e
    if bytes(transaction) != wire:
        raise MalformedError("failed to deserialize: bytes are left over")
    return transaction


def is_signed(transaction: VersionedTransaction) -> bool:
    """Return whether every signature is its signer's."""
    try:
        transaction.sanitize()
        return all(transaction.verify_with_results())
    except ValueError:
        return False


def resolve(parsed: VersionedTransaction, account: Callable[[Pubkey], Account | None]) -> Transaction:
    """Return a transaction with the accounts of its lookup tables, and its budget.

    Raises:
        TransactionError: It cannot land.
    """
    message = parsed.message
    try:
        parsed.sanitize()
    except ValueError as e:
        raise TransactionError("SanitizeFailure") from e
    version = {Message: None, MessageV0: 0, MessageV1: 1}[type(message)]
    static = tuple(Pubkey(bytes(key)) for key in message.account_keys)
    signing = message.header.num_required_signatures
    written, only_read = _looked_up(message, account) if isinstance(message, MessageV0) else ([], [])
    keys = (*static, *written, *only_read)
    if len(set(keys)) != len(keys):
        raise TransactionError("AccountLoadedTwice")
    writable = _are_writable(message.header, len(static)) + [True] * len(written) + [False] * len(only_read)
    metas = [
        AccountMeta(key, is_signer=place < signing, is_writable=writable[place])
        for place, key in enumerate(keys)
    ]
    places = tuple((compiled.program_id_index, bytes(compiled.accounts)) for compiled in message.instructions)
    if any(program >= len(static) or any(at >= len(keys) for at in ats) for program, ats in places):
        raise TransactionError("SanitizeFailure")
    instructions = tuple(
        Instruction(keys[program], tuple(metas[at] for at in ats), bytes(compiled.data))
        for (program, ats), compiled in zip(places, message.instructions, strict=True)
    )
    budget = (
        _v1_budget(message, signing) if isinstance(message, MessageV1) else _budget(instructions, signing)
    )
    return Transaction(
        parsed,
        version,
        tuple(bytes(signature) for signature in parsed.signatures),
        keys,
        tuple(writable),
        signing,
        (len(written), len(only_read)),
        instructions,
        places,
        bytes(message.recent_blockhash),
        budget,
    )


def _are_writable(header: MessageHeader, count: int) -> list[bool]:
    """Return which of a message's own accounts it may write: they stand in groups, by a header's counts."""
    signing = header.num_required_signatures
    return [
        place < signing - header.num_readonly_signed_accounts
        or signing <= place < count - header.num_readonly_unsigned_accounts
        for place in range(count)
    ]


def _looked_up(
    message: MessageV0, account: Callable[[Pubkey], Account | None]
) -> tuple[list[Pubkey], list[Pubkey]]:
    """Return the accounts of a message's lookup tables: those that it may write, and those it only reads."""
    written: list[Pubkey] = []
    only_read: list[Pubkey] = []
    for lookup in message.address_table_lookups:
        addresses = _table(account(Pubkey(bytes(lookup.account_key))))
        if any(index >= len(addresses) for index in (*lookup.writable_indexes, *lookup.readonly_indexes)):
            raise TransactionError("InvalidAddressLookupTableIndex")
        written += [addresses[index] for index in lookup.writable_indexes]
        only_read += [addresses[index] for index in lookup.readonly_indexes]
    return written, only_read


def _table(account: Account | None) -> list[Pubkey]:
    if account is None:
        raise TransactionError("AddressLookupTableNotFound")
    if account.owner != _LOOKUP_TABLES:
        raise TransactionError("InvalidAddressLookupTableOwner")
    data = account.data
    if len(data) < _TABLE_HEAD or data[:4] != b"\1\0\0\0" or (len(data) - _TABLE_HEAD) % KEY_BYTES:
        raise TransactionError("InvalidAddressLookupTableData")
    return [Pubkey(data[at : at + KEY_BYTES]) for at in range(_TABLE_HEAD, len(data), KEY_BYTES)]


def _budget(instructions: tuple[Instruction, ...], signatures: int) -> Budget:
    units: int | None = None
    price = 0
    loaded = LOADED_BYTES_MAX
    seen: set[int] = set()
    for index, instruction in enumerate(instructions):
        if instruction.program != COMPUTE_BUDGET or not instruction.data:
            continue
        kind, value = instruction.data[0], int.from_bytes(instruction.data[1:], "little")
        if kind in seen:
            raise TransactionError({"DuplicateInstruction": index})
        seen.add(kind)
        if kind == _UNIT_LIMIT:
            units = min(value, UNITS_MAX)
        elif kind == _UNIT_PRICE:
            price = value
        elif kind == _LOADED_LIMIT:
            if value == 0:
                raise TransactionError("InvalidLoadedAccountsDataSizeLimit")
            loaded = min(value, LOADED_BYTES_MAX)
    if units is None:
        units = sum(
            UNITS_PER_BUILTIN if instruction.program in _BUILTINS else UNITS_PER_INSTRUCTION
            for instruction in instructions
        )
        units = min(units, UNITS_MAX)
    priority = -(-units * price // 1_000_000)
    return Budget(units, loaded, LAMPORTS_PER_SIGNATURE * signatures + priority, priority, price)


def _v1_budget(message: MessageV1, signatures: int) -> Budget:
    """Version 1 states its limits itself.

    What it does not state is zero, and nothing runs or loads with that.
    """
    config = message.config
    units = min(config.compute_unit_limit or 0, UNITS_MAX)
    loaded = config.loaded_accounts_data_size_limit or 0
    if not loaded:
        raise TransactionError("InvalidLoadedAccountsDataSizeLimit")
    priority = config.priority_fee or 0
    price = priority * 1_000_000 // units if units else 0
    return Budget(
        units, min(loaded, LOADED_BYTES_MAX), LAMPORTS_PER_SIGNATURE * signatures + priority, priority, price
    )
