"""Which orders are what was written: only those leave the record, and are found again by their ids."""

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from chalicelib.adapters.postgres.archive import found_in, problem_of
from chalicelib.adapters.postgres.event_chain import GENESIS, link_of_row
from chalicelib.wire.archived_orders import ArchivedOrder, joined, packed

ID: Final = "0174876e-83e8-712c-9681-c22c78e91aaa"
NO_HASH: Final = "\\x"
LANDED: Final = {"signature": "5ig", "input_units": 5, "output_units": 7, "error": None}
REVERTED: Final = LANDED | {"error": "slippage"}

Row = dict[str, Any]


def an_order(
    status: str = "confirmed", *transactions: Row, hashes: Sequence[str | None] = (NO_HASH,)
) -> ArchivedOrder:
    """Return an order of three events as it was written; the first ones have these for their hashes."""
    events: list[Row] = []
    before = GENESIS
    for seq, said in enumerate(("pending", "submitted", status), 1):
        event: Row = {"seq": seq, "status": said, "attempt": 1, "occurred_at": "2026-01-01T12:00:00+00:00"}
        event["data"] = {"number": seq}
        chain = hashes[seq - 1] if seq <= len(hashes) else ""
        if chain is not None:
            before = link_of_row(before, ID, event)
        events.append(event | {"chain": f"\\x{before.hex()}" if chain == "" else chain})
    order = {"order_id": ID, "seq": 3, "status": status, "chain": f"\\x{before.hex()}"}
    paid = {"tx_signature": "5ig", "input_units": 5, "output_units": 7}
    return ArchivedOrder(order | paid, events, (), transactions)


@pytest.mark.parametrize(
    "order",
    [
        an_order(),
        an_order("failed"),
        an_order(hashes=("", NO_HASH)),
        an_order(hashes=(None, NO_HASH)),  # from before there were hashes
        an_order("confirmed", LANDED),
        an_order("confirmed", REVERTED, LANDED),
        an_order("failed", REVERTED),
    ],
)
def test_order_that_is_what_was_written_has_no_problem(order: ArchivedOrder) -> None:
    assert problem_of(order) is None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"seq": 4}, "at seq 4, with events numbered otherwise"),
        ({"status": "failed"}, "failed, and its last event is confirmed"),
        ({"chain": f"\\x{'00' * 32}"}, "another hash than its last event has"),
        ({"chain": None}, "another hash than its last event has"),
    ],
)
def test_order_that_says_something_else_than_its_events_has_a_problem(changed: Row, problem: str) -> None:
    order = an_order()
    order.order.update(changed)
    assert problem_of(order) == problem


@pytest.mark.parametrize(
    ("place", "changed", "problem"),
    [
        (1, {"seq": 3}, "at seq 3, with events numbered otherwise"),
        (0, {"status": "routed"}, "event 2, or one before it, is not what was written"),
        (1, {"data": {"number": 3}}, "event 2, or one before it, is not what was written"),
        (1, {"chain": NO_HASH, "attempt": 2}, "event 3, or one before it, is not what was written"),
        (2, {"chain": NO_HASH, "attempt": 2}, "another hash than its last event has"),
        (2, {"packed": "\\x00"}, "event 3 cannot be read"),
    ],
)
def test_event_that_is_not_what_was_written_is_a_problem(place: int, changed: Row, problem: str) -> None:
    order = an_order()
    order.events[place].update(changed)
    assert problem_of(order) == problem


def test_order_that_has_not_ended_has_a_problem() -> None:
    assert problem_of(an_order("submitted")) == "submitted, and its last event is submitted"


@pytest.mark.parametrize(
    ("status", "transactions"),
    [
        ("confirmed", [REVERTED]),
        ("confirmed", [LANDED | {"signature": "other"}]),
        ("confirmed", [LANDED | {"input_units": 6}]),
        ("confirmed", [LANDED | {"output_units": 6}]),
        ("confirmed", [LANDED, LANDED]),
        ("failed", [LANDED]),
    ],
)
def test_order_of_which_something_else_landed_has_a_problem(status: str, transactions: list[Row]) -> None:
    assert "and in the ledger" in str(problem_of(an_order(status, *transactions)))


def test_order_is_found_by_its_own_id_and_not_by_where_that_is_mentioned() -> None:
    names = {"order_id": "mentions it", "replaces": ID}, {"order_id": ID, "replaces": None}
    lines = [json.dumps({"order": order, "events": [], "attempts": []}) for order in names]
    found = found_in(packed(joined(lines)), ID)
    assert found is not None
    assert found.order_id == ID
    assert found_in(packed(joined(lines[:1])), ID) is None
