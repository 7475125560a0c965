"""Messages: what a transaction's signers sign, in the three formats that the chain takes.

Legacy and version 0 differ in what precedes and follows the same body; version 0 may fetch addresses from
lookup tables. Version 1 has no tables, carries its budget in a header of its own, allows 4,096 bytes, and
puts the signatures last (SIMD-0385). After ``Message`` of anza-xyz/solana-sdk; which order accounts have
within a class is free, and here it is that of their bytes, as its compiler has it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chalicelib.adapters.solana.instructions import Instruction, u8, u32, u64
from chalicelib.adapters.solana.keys import Pubkey

WIRE_BYTES_MAX: Final = 1232
"""Of a whole transaction of version 0 or legacy, signatures included."""

V1_WIRE_BYTES_MAX: Final = 4096
V1_ADDRESSES_MAX: Final = 64
_V0: Final = b"\x80"
_V1: Final = b"\x81"
_CONFIG_MASK: Final = 0b1111  # two bits for the eight bytes of the fee, one for each limit; no heap size
_U8_COUNT: Final = 256
_SIGNATURE_BYTES: Final = 64


class LookupTable(NamedTuple):
    """A table on chain, as it was at an earlier slot."""

    key: Pubkey
    addresses: tuple[Pubkey, ...]


@dataclass(frozen=True, slots=True)
class V1Config:
    """The budget of a version 1 transaction; what is not stated is zero on chain, and nothing runs with that.

    Attributes:
        priority_fee_lamports: In all, not per compute unit.
    """

    compute_unit_limit: int
    loaded_accounts_data_size_limit: int
    priority_fee_lamports: int = 0


class CompiledMessage(NamedTuple):
    """The bytes to sign, and who has to.

    Attributes:
        signers: In the order of their signatures; the first pays
            the fee, and its signature names the transaction.
    """

    raw: bytes
    signers: tuple[Pubkey, ...]


class _Accounts(NamedTuple):
    """All accounts of a message by class: writable signers (the payer first), other signers,
    writable, the rest.
    """

    classes: tuple[list[Pubkey], list[Pubkey], list[Pubkey], list[Pubkey]]
    programs: frozenset[Pubkey]

    @property
    def header(self) -> bytes:
        """Signers; of them readonly; of the others readonly."""
        paying, signing, _, readonly = map(len, self.classes)
        return bytes([paying + signing, signing, readonly])

    @property
    def signers(self) -> tuple[Pubkey, ...]:
        return (*self.classes[0], *self.classes[1])

    @property
    def keys(self) -> list[Pubkey]:
        return [key for keys in self.classes for key in keys]


def legacy_message(payer: Pubkey, instructions: Sequence[Instruction], blockhash: bytes) -> CompiledMessage:
    """Return the message in the first format: none of ours has it, and some of the vectors do.

    Raises:
        ValueError: More accounts than a byte can count.
    """
    accounts = _collected(payer, instructions)
    return CompiledMessage(_body(accounts, instructions, blockhash, accounts.keys), accounts.signers)


def v0_message(
    payer: Pubkey, instructions: Sequence[Instruction], blockhash: bytes, tables: Iterable[LookupTable] = ()
) -> CompiledMessage:
    """Return the message in version 0; accounts that a table has, and
    that neither sign nor are called, come from it.

    Raises:
        ValueError: More accounts than a byte can count.
    """
    accounts = _collected(payer, instructions)
    found = b""
    fetched: tuple[list[Pubkey], list[Pubkey]] = [], []
    count = 0
    for table in tables:
        places = {key: place for place, key in reversed(list(enumerate(table.addresses)))}
        sides = [
            [key for key in keys if key in places and key not in accounts.programs]
            for keys in accounts.classes[2:]
        ]
        if any(sides):
            count += 1
            found += table.key
            for side, keys, all_keys in zip(sides, accounts.classes[2:], fetched, strict=True):
                found += _compact(len(side)) + bytes(places[key] for key in side)
                all_keys.extend(side)
                keys[:] = [key for key in keys if key not in places or key in accounts.programs]
    order = [*accounts.keys, *fetched[0], *fetched[1]]
    raw = _V0 + _body(accounts, instructions, blockhash, order) + _compact(count) + found
    return CompiledMessage(raw, accounts.signers)


def v1_message(
    payer: Pubkey, instructions: Sequence[Instruction], blockhash: bytes, config: V1Config
) -> CompiledMessage:
    """Return the message in version 1. ComputeBudget instructions do nothing there: state them in ``config``.

    Raises:
        ValueError: More accounts or instructions than the format allows.
    """
    accounts = _collected(payer, instructions)
    order = accounts.keys
    if len(order) > V1_ADDRESSES_MAX or len(instructions) >= _U8_COUNT:
        raise ValueError(f"{len(order)} addresses and {len(instructions)} instructions are too many")
    place = {key: index for index, key in enumerate(order)}
    values = u64(config.priority_fee_lamports) + u32(config.compute_unit_limit)
    values += u32(config.loaded_accounts_data_size_limit)
    heads = b"".join(
        u8(place[instruction.program])
        + u8(len(instruction.accounts))
        + len(instruction.data).to_bytes(2, "little")
        for instruction in instructions
    )
    payloads = b"".join(
        bytes(place[account.key] for account in instruction.accounts) + instruction.data
        for instruction in instructions
    )
    counts = u8(len(instructions)) + u8(len(order))
    raw = (
        _V1
        + accounts.header
        + u32(_CONFIG_MASK)
        + blockhash
        + counts
        + b"".join(order)
        + values
        + heads
        + payloads
    )
    return CompiledMessage(raw, accounts.signers)


def wire_of(message: CompiledMessage, signatures: Sequence[bytes]) -> bytes:
    """Return the transaction as it is sent; one signature of 64 bytes per signer, in their order."""
    assert len(signatures) == len(message.signers), "one signature per signer"
    if message.raw[:1] == _V1:
        return message.raw + b"".join(signatures)
    return _compact(len(signatures)) + b"".join(signatures) + message.raw


def fits(message: CompiledMessage) -> bool:
    """Return whether the transaction is short enough for its format."""
    length = len(message.raw) + _SIGNATURE_BYTES * len(message.signers)
    if message.raw[:1] == _V1:
        return length <= V1_WIRE_BYTES_MAX
    return length + len(_compact(len(message.signers))) <= WIRE_BYTES_MAX


def _collected(payer: Pubkey, instructions: Sequence[Instruction]) -> _Accounts:
    signs: dict[Pubkey, bool] = {}
    writes: dict[Pubkey, bool] = {}
    for instruction in instructions:
        signs.setdefault(instruction.program, False)
        writes.setdefault(instruction.program, False)
        for account in instruction.accounts:
            signs[account.key] = signs.get(account.key, False) or account.is_signer
            writes[account.key] = writes.get(account.key, False) or account.is_writable
    signs.pop(payer, None)
    classes = tuple(
        sorted(key for key in signs if (signs[key], writes[key]) == kind)
        for kind in ((True, True), (True, False), (False, True), (False, False))
    )
    if len(signs) >= _U8_COUNT:
        raise ValueError(f"{len(signs) + 1} accounts are more than a byte can count")
    programs = frozenset(instruction.program for instruction in instructions)
    return _Accounts(([payer, *classes[0]], classes[1], classes[2], classes[3]), programs)


def _body(
    accounts: _Accounts, instructions: Sequence[Instruction], blockhash: bytes, order: Sequence[Pubkey]
) -> bytes:
    place = {key: index for index, key in enumerate(order)}
    static = accounts.keys
    parts = [accounts.header, _compact(len(static)), *static, blockhash, _compact(len(instructions))]
    for instruction in instructions:
        parts += [
            u8(place[instruction.program]),
            _compact(len(instruction.accounts)),
            bytes(place[account.key] for account in instruction.accounts),
            _compact(len(instruction.data)),
            instruction.data,
        ]
    return b"".join(parts)


def _compact(number: int) -> bytes:
    """``compact-u16``: seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
