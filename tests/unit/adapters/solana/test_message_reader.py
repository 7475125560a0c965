import base64
import json
from random import Random
from typing import Any

import pytest

from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.message_reader import ReadMessage, read_message, read_transaction
from chalicelib.adapters.solana.messages import (
    CompiledMessage,
    legacy_message,
    v0_message,
    v1_message,
    wire_of,
)
from tests.unit.adapters.solana.examples import VECTORS

TRANSACTIONS: list[dict[str, Any]] = json.loads((VECTORS / "transactions.json").read_text(encoding="utf-8"))[
    "transactions"
]
PLAIN = [one for one in TRANSACTIONS if not one["lookup_tables"]]
WITH_TABLES = [one for one in TRANSACTIONS if one["lookup_tables"]]


def wire(vector: dict[str, Any]) -> bytes:
    return base64.b64decode(vector["wire"])


def compiled(message: ReadMessage, instructions: tuple[Instruction, ...]) -> CompiledMessage:
    payer = message.signers[0]
    if message.config is not None:
        return v1_message(payer, instructions, message.blockhash, message.config)
    if message.version == 0:
        return v0_message(payer, instructions, message.blockhash)
    return legacy_message(payer, instructions, message.blockhash)


@pytest.mark.parametrize("vector", PLAIN, ids=lambda vector: str(vector["version"]))
def test_what_is_read_compiles_to_the_same_bytes(vector: dict[str, Any]) -> None:
    read = read_transaction(wire(vector))
    assert read.raw_message == base64.b64decode(vector["message"])
    assert read.message.instructions is not None
    again = compiled(read.message, read.message.instructions)
    assert again.raw == read.raw_message
    assert again.signers == read.message.signers
    assert wire_of(again, read.signatures) == wire(vector)


@pytest.mark.parametrize("vector", WITH_TABLES)
def test_accounts_from_a_table_are_left_unnamed(vector: dict[str, Any]) -> None:
    message = read_transaction(wire(vector)).message
    assert message.instructions is None
    assert len(message.lookups) == len(vector["lookup_tables"])


@pytest.mark.parametrize("vector", [PLAIN[0], PLAIN[1], PLAIN[2], WITH_TABLES[0]])
def test_bytes_missing_or_left_over_are_refused(vector: dict[str, Any]) -> None:
    raw = base64.b64decode(vector["message"])
    for length in range(len(raw)):
        with pytest.raises(ValueError, match=r"."):
            read_message(raw[:length])
    with pytest.raises(ValueError, match=r"left over"):
        read_message(raw + b"\0")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x82" + bytes(200),
        b"\x00\x00\x00\x00" + bytes(33),  # without a signer
        b"\x01\x01\x00\x01" + bytes(65),  # the payer may not pay
        b"\x01\x00\x00\x02" + bytes(64) + bytes(33),  # one account twice
        b"\x01\x00\x00\x81\x00" + bytes(65),  # a count in a longer form than it needs
        b"\x01\x00\x00\x01" + bytes(64) + b"\x01\x00\x00\x00",  # the payer as a program
    ],
)
def test_message_that_no_node_would_take_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_message(raw)


def test_no_bytes_break_the_reader() -> None:
    random = Random(7)
    for _ in range(3_000):
        raw = bytearray(wire(random.choice(TRANSACTIONS)))
        for _ in range(random.choice([1, 2, 5])):
            raw[random.randrange(len(raw))] = random.randrange(256)
        try:
            read = read_transaction(bytes(raw))
        except ValueError:
            continue
        if read.message.instructions is not None and read.message.version != 1:
            assert read.raw_message in bytes(raw)
