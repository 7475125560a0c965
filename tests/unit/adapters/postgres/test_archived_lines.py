"""An order's line: the rows' own text, with the fields of events as they were written."""

import json
from typing import Any

import pytest

from chalicelib.adapters.postgres.archived_lines import archived_line
from chalicelib.wire.archived_orders import order_of
from chalicelib.wire.packed_fields import packed

ID = "0174876e-83e8-712c-9681-c22c78e91aaa"
ORDER = f'{{"order_id":"{ID}","amount_units":100000000000000000000000000000000000001,"note":"a\\nb"}}'

BREAK = ", \n "


def event(**columns: Any) -> dict[str, Any]:
    return {"order_id": ID, "seq": 1, "data": {}, "chain": "\\x", **columns, "recorded_at": "2026-01-01"}


def line(*events: dict[str, Any], attempts: str = "", transactions: str = "") -> str:
    # As json_agg has it: an element on each line.
    return archived_line(
        ID, ORDER, ", \n ".join(json.dumps(list(events)).split(", ")), attempts, transactions
    )


def test_line_has_the_rows_without_what_its_order_says_already() -> None:
    legs = f'{{"order_id":"{ID}","legs":[0.10]}},{{"order_id":"{ID}","legs":[]}}'
    text = line(event(), attempts=f'{{"order_id":"{ID}","payload":"\\\\x00"}}', transactions=legs)
    assert "\n" not in text
    assert '"legs":[0.10]' in text
    found = order_of(text)
    assert found.order == json.loads(ORDER)
    assert found.events == [{key: value for key, value in event().items() if key != "order_id"}]
    assert found.attempts == [{"payload": "\\x00"}]
    assert [each["legs"] for each in found.transactions] == [[0.1], []]


def test_packed_fields_are_there_as_they_were_written() -> None:
    fields = '{"amount":"1.50","é":{"data":{}}}'
    (found,) = order_of(line(event(packed="\\x" + packed(fields).hex()))).events
    assert "packed" not in found
    assert found["data"] == json.loads(fields)


@pytest.mark.parametrize(
    "text", ['{},"seq":9', '{"a":1}\n', "{", "[]"], ids=["more members", "two lines", "half", "no object"]
)
def test_what_would_not_be_fields_stays_packed(text: str) -> None:
    written = "\\x" + packed(text).hex()
    (found,) = order_of(line(event(packed=written))).events
    assert (found["packed"], found["seq"], found["data"]) == (written, 1, {})


def test_text_that_looks_like_the_orders_name_is_left_alone() -> None:
    looks = f'"order_id":"{ID}",'
    (found,) = order_of(line(event(data={"message": looks}))).events
    assert found["data"] == {"message": looks}
