"""Messages and transactions back from their bytes: what a signer is asked to sign, what a node was sent.

The opposite of ``messages``, for bytes from unknown makers: every length is checked, nothing may be
left over, and numbers have their shortest form, so that equal contents have equal bytes.
"""

from dataclasses import dataclass
from typing import Final

from chalicelib.adapters.solana.instructions import AccountMeta, Instruction
from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.adapters.solana.messages import V1_ADDRESSES_MAX, V1_WIRE_BYTES_MAX, V1Config

SIGNATURE_BYTES: Final = 64
_VERSIONED: Final = 0x80
_V0, _V1 = 0, 1
_PRIORITY_FEE_BITS, _UNIT_LIMIT_BIT, _LOADED_DATA_BIT = 0b11, 0b100, 0b1000
_COMPACT_BYTES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class TableLookup:
    """Accounts that a message of version 0 takes from a table on chain, by their places in it."""

    table: Pubkey
    writable: bytes
    readonly: bytes


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """What a message says.

    Attributes:
        version: None in the first format, else 0 or 1.
        signers: The first pays.
        instructions: With the flags that the message as a whole gives each account. What comes from a table
            cannot be named without it: then ``instructions`` is None.
        config: Of version 1 only.
    """

    version: int | None
    signers: tuple[Pubkey, ...]
    keys: tuple[Pubkey, ...]
    blockhash: bytes
    instructions: tuple[Instruction, ...] | None
    lookups: tuple[TableLookup, ...] = ()
    config: V1Config | None = None


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """A transaction as it is sent: the message's own bytes, and the signatures in the signers' order."""

    raw_message: bytes
    message: ReadMessage
    signatures: tuple[bytes, ...]


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise ValueError(f"{count} bytes at {self.at} are beyond the end")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def key(self) -> Pubkey:
        return Pubkey(self.take(KEY_BYTES))

    def compact(self) -> int:
        """``compact-u16`` in its shortest form."""
        number = 0
        for index in range(_COMPACT_BYTES_MAX):
            byte = self.number(1)
            number |= (byte & 0x7F) << 7 * index
            if not byte & 0x80:
                if (byte == 0 and index) or number > 0xFFFF:
                    break
                return number
        raise ValueError("a count is not in its shortest form")

    def end(self) -> None:
        if self.at != len(self.raw):
            raise ValueError(f"{len(self.raw) - self.at} bytes are left over")


def read_transaction(wire: bytes) -> ReadTransaction:
    """Return what was sent.

    Raises:
        ValueError: It is no transaction.
    """
    if len(wire) > V1_WIRE_BYTES_MAX:
        raise ValueError(f"{len(wire)} bytes are no transaction")
    if wire[:1] == bytes([_VERSIONED | _V1]):
        count = wire[1] if len(wire) > 1 else 0
        raw, tail = wire[: len(wire) - count * SIGNATURE_BYTES], wire[len(wire) - count * SIGNATURE_BYTES :]
        signatures = [tail[at : at + SIGNATURE_BYTES] for at in range(0, len(tail), SIGNATURE_BYTES)]
    else:
        reader = _Reader(wire)
        signatures = [reader.take(SIGNATURE_BYTES) for _ in range(reader.compact())]
        raw = wire[reader.at :]
    message = read_message(raw)
    if len(signatures) != len(message.signers):
        raise ValueError(f"{len(signatures)} signatures for {len(message.signers)} signers")
    return ReadTransaction(raw, message, tuple(signatures))


def read_message(raw: bytes) -> ReadMessage:
    """Return what a message says.

    Raises:
        ValueError: It is none, or of a version that we do not know.
    """
    reader = _Reader(raw)
    version = raw[0] & 0x7F if raw and raw[0] & _VERSIONED else None
    if version is None:
        message = _body(reader, None)
    elif version == _V0:
        reader.take(1)
        message = _body(reader, version)
    elif version == _V1:
        reader.take(1)
        message = _v1(reader)
    else:
        raise ValueError(f"version {version}")
    reader.end()
    return message


def _body(reader: _Reader, version: int | None) -> ReadMessage:
    header = reader.take(3)
    keys = tuple(reader.key() for _ in range(reader.compact()))
    blockhash = reader.take(KEY_BYTES)
    calls = []
    for _ in range(reader.compact()):
        program = reader.number(1)
        places = reader.take(reader.compact())
        calls.append((program, places, reader.take(reader.compact())))
    lookups: tuple[TableLookup, ...] = ()
    if version == _V0:
        lookups = tuple(
            TableLookup(reader.key(), reader.take(reader.compact()), reader.take(reader.compact()))
            for _ in range(reader.compact())
        )
    fetched = sum(len(lookup.writable) + len(lookup.readonly) for lookup in lookups)
    return _message(version, header, keys, blockhash, calls, lookups=lookups, fetched=fetched)


def _v1(reader: _Reader) -> ReadMessage:
    header = reader.take(3)
    mask = reader.number(4)
    if mask & ~(_PRIORITY_FEE_BITS | _UNIT_LIMIT_BIT | _LOADED_DATA_BIT):
        raise ValueError(f"config mask {mask:#x}")
    blockhash = reader.take(KEY_BYTES)
    count, addresses = reader.number(1), reader.number(1)
    if addresses > V1_ADDRESSES_MAX:
        raise ValueError(f"{addresses} addresses")
    keys = tuple(reader.key() for _ in range(addresses))
    if mask & _PRIORITY_FEE_BITS not in {0, _PRIORITY_FEE_BITS}:
        raise ValueError(f"config mask {mask:#x}")
    fee = reader.number(8) if mask & _PRIORITY_FEE_BITS else 0
    units = reader.number(4) if mask & _UNIT_LIMIT_BIT else 0
    loaded = reader.number(4) if mask & _LOADED_DATA_BIT else 0
    heads = [(reader.number(1), reader.number(1), reader.number(2)) for _ in range(count)]
    calls = [(program, reader.take(places), reader.take(length)) for program, places, length in heads]
    return _message(_V1, header, keys, blockhash, calls, config=V1Config(units, loaded, fee))


def _message(
    version: int | None,
    header: bytes,
    keys: tuple[Pubkey, ...],
    blockhash: bytes,
    calls: list[tuple[int, bytes, bytes]],
    *,
    lookups: tuple[TableLookup, ...] = (),
    fetched: int = 0,
    config: V1Config | None = None,
) -> ReadMessage:
    signing, signing_readonly, readonly = header
    if not signing_readonly < signing <= len(keys) or signing + readonly > len(keys):
        raise ValueError(f"a header of {signing}, {signing_readonly}, {readonly} for {len(keys)} accounts")
    if len(set(keys)) != len(keys):
        raise ValueError("an account is named twice")
    accounts = [
        AccountMeta(
            key,
            is_signer=place < signing,
            is_writable=place < signing - signing_readonly or signing <= place < len(keys) - readonly,
        )
        for place, key in enumerate(keys)
    ]
    most = len(keys) + fetched
    for program, places, _ in calls:
        if not 0 < program < len(keys) or any(place >= most for place in places):
            raise ValueError("an instruction names an account that is not there, or the payer as a program")
    instructions = None
    if not fetched:
        instructions = tuple(
            Instruction(keys[program], tuple(accounts[place] for place in places), data)
            for program, places, data in calls
        )
    return ReadMessage(version, keys[:signing], keys, blockhash, instructions, lookups, config)
