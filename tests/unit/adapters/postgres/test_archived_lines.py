"""An order's line: the rows' own text, with the fields of events as they were written."""

import json

import pytest

from chalicelib.adapters.postgres.archived_lines import archived_line
from chalicelib.wire.archived_orders import order_of
from chalicelib.wire.packed_fields import packed

ID = "0174876e-83e8-712c-9681-c22c78e91aaa"
ORDER = f'{{"order_id":"{ID}","amount_units":100000000000000000000000000000000000001,"note":"a\\nb"}}'


def event(data: str = "{}", packed: str = "") -> str:
    return f'{{"seq":1,"chain":"\\\\x"}}\x1f{data}\x1f{packed}'


def line(*events: str, attempts: str = "", transactions: str = "") -> str:
    return archived_line(ID, ORDER, "\x1e".join(events), attempts, transactions)


def test_line_has_the_rows_without_what_its_order_says_already() -> None:
    legs = f'{{"order_id":"{ID}","legs":[0.10]}},{{"order_id":"{ID}","legs":[]}}'
    text = line(event(), attempts=f'{{"order_id":"{ID}","payload":"\\\\x00"}}', transactions=legs)
    assert "\n" not in text
    assert '"legs":[0.10]' in text
    found = order_of(text)
    assert found.order == json.loads(ORDER)
    assert found.events == [{"seq": 1, "chain": "\\x", "data": {}}]
    assert found.attempts == [{"payload": "\\x00"}]
    assert [each["legs"] for each in found.transactions] == [[0.1], []]


def test_packed_fields_are_there_as_they_were_written() -> None:
    fields = '{"amount":"1.50","é":{"data":{}}}'
    found, _ = order_of(line(event(packed=packed(fields).hex()), event())).events
    assert "packed" not in found
    assert found["data"] == json.loads(fields)


@pytest.mark.parametrize(
    "text", ['{},"seq":9', '{"a":1}\n', "{", "[]"], ids=["more members", "two lines", "half", "no object"]
)
def test_what_would_not_be_fields_stays_packed(text: str) -> None:
    written = packed(text).hex()
    (found,) = order_of(line(event(packed=written))).events
    assert found == {"seq": 1, "chain": "\\x", "data": {}, "packed": f"\\x{written}"}


def test_text_that_looks_like_the_orders_name_is_left_alone() -> None:
    looks = f'"order_id":"{ID}",'
    (found,) = order_of(line(attempts=json.dumps({"order_id": ID, "error": looks}))).attempts
    assert found["error"] == looks
