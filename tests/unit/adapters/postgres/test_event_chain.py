"""The chain of events: what an event's hash depends on, and what it does not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from chalicelib.adapters.postgres.event_chain import GENESIS, Heads, chained_rows, link, link_of_row
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.json_text import canonical
from chalicelib.wire.packed_fields import unpacked

AT = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ONE, OTHER = UUID(int=1), UUID(int=2)
FIELDS = {"a": "é", "b": {"x": 1, "long": [1, None]}}
EVENT = OrderEvent(ONE, 1, 1, AT, Recorded(OrderStatus.PENDING, FIELDS))


def fields_of(event: OrderEvent) -> dict[str, Any]:
    assert isinstance(event.what, Recorded)
    return dict(event.what.fields)


def text_of(event: OrderEvent) -> str:
    return canonical(fields_of(event))


def saying(event: OrderEvent, status: OrderStatus, fields: dict[str, Any]) -> OrderEvent:
    return replace(event, what=Recorded(status, fields))


def linked(before: bytes, event: OrderEvent) -> bytes:
    return link(before, event, fields_of(event))


@pytest.mark.parametrize(
    "changed",
    [
        replace(EVENT, order_id=OTHER),
        replace(EVENT, seq=2),
        saying(EVENT, OrderStatus.ROUTING, FIELDS),
        replace(EVENT, attempt=2),
        replace(EVENT, at=AT + timedelta(microseconds=1)),
        saying(EVENT, OrderStatus.PENDING, FIELDS | {"a": "e"}),
        saying(EVENT, OrderStatus.PENDING, {}),
    ],
)
def test_hash_depends_on_every_field(changed: OrderEvent) -> None:
    assert linked(GENESIS, changed) != linked(GENESIS, EVENT)


def test_hash_depends_on_the_predecessor() -> None:
    assert linked(b"x" * 32, EVENT) != linked(GENESIS, EVENT)


def test_hash_depends_neither_on_the_order_of_members_nor_on_the_zone_of_the_time() -> None:
    """Both are lost in the database."""
    reread = replace(
        EVENT,
        at=AT.astimezone(timezone(timedelta(hours=2))),
        what=Recorded(OrderStatus.PENDING, json.loads('{"b": {"long": [1, null], "x": 1}, "a": "\\u00e9"}')),
    )
    assert linked(GENESIS, reread) == linked(GENESIS, EVENT)


@pytest.mark.parametrize("fields", [FIELDS, {}])
def test_hash_of_a_row_is_that_of_its_event_in_whatever_zone_it_was_read(fields: dict[str, Any]) -> None:
    event = saying(EVENT, OrderStatus.PENDING, fields)
    row = {"seq": 1, "status": "pending", "attempt": 1, "data": fields}
    for zone in (UTC, timezone(timedelta(hours=2))):
        row["occurred_at"] = AT.astimezone(zone).isoformat()
        assert link_of_row(b"x" * 32, str(ONE), row) == linked(b"x" * 32, event)


def written(parameters: Mapping[str, str], column: str) -> list[Any]:
    """Return the values of a column of ``EVENTS``, none of which needs an escape here."""
    values: list[Any] = json.loads(f"[{parameters[f'events_{column}'][1:-1]}]")
    return values


def test_rows_of_several_orders_are_chained_each_to_its_own() -> None:
    later = saying(replace(EVENT, seq=2), OrderStatus.ROUTING, {})
    foreign = replace(EVENT, order_id=OTHER, seq=4, at=AT + timedelta(seconds=1))
    parameters, after = chained_rows(
        [[EVENT, later], [foreign], []], [GENESIS, b"h" * 32, b"i" * 32], text_of, packs=False
    )
    first = linked(GENESIS, EVENT)
    hashes = [first, linked(first, later), linked(b"h" * 32, foreign)]
    assert written(parameters, "chain") == [each.hex() for each in hashes]
    assert written(parameters, "step") == [1, 1, 2]
    assert [*map(datetime.fromisoformat, written(parameters, "occurred_at"))] == [AT, AT, foreign.at]
    assert after == [hashes[1], hashes[2], b"i" * 32]


def test_rows_say_what_the_events_say() -> None:
    said, _ = chained_rows([[EVENT]], [GENESIS], text_of, packs=False)
    short, _ = chained_rows([[EVENT]], [GENESIS], text_of)
    row = {name: written(said, name)[0] for name in ("seq", "status", "attempt", "packed")}
    assert row == {"seq": 1, "status": "pending", "attempt": 1, "packed": ""}
    assert datetime.fromisoformat(written(said, "occurred_at")[0]) == AT
    assert json.loads(said["events_data"]) == [FIELDS]
    assert unpacked(bytes.fromhex(written(short, "packed")[0])) == FIELDS
    assert short | {name: said[name] for name in ("events_data", "events_packed")} == said


def test_hash_that_the_next_one_covers_is_left_out_unless_older_functions_are_about() -> None:
    later = saying(replace(EVENT, seq=2), OrderStatus.ROUTING, {})
    short, whole = (
        written(chained_rows([[EVENT, later]], [GENESIS], text_of, packs=packs)[0], "chain")
        for packs in (True, False)
    )
    assert (short[0], short[1]) == ("", whole[1])
    assert whole[0] == linked(GENESIS, EVENT).hex()


def test_heads_that_nobody_lets_go_are_forgotten_before_they_are_too_many() -> None:
    heads = Heads()
    for number in range(30_000):
        heads.note(UUID(int=number), b"h")
    kept = heads.known(UUID(int=number) for number in range(30_000))
    assert kept[-1] == b"h"
    assert len(kept) - kept.count(None) <= 10_000
