"""Watching: each event once, in a line, also over lost connections."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infra.cli.orderflow import orderflow
from infra.cli.watch import line
from tests.fakes.engine_server import LIFE, FakeEngine
from tests.unit.orderflow_client.test_sync import an_engine


def an_event(seq: int, status: str = "routing", **members: Any) -> dict[str, Any]:
    told = {"orderId": "o", "seq": seq, "status": status, "attempt": 1, "at": "2026-01-01T12:00:00.250Z"}
    return told | members


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with an_engine() as engine:
        yield engine


def run(engine: FakeEngine, command: str, *words: str) -> Result:
    where = ("--url", engine.url, "--rest-url", engine.rest_url)
    return CliRunner().invoke(orderflow, ["--json", command, *where, *words])


def test_each_event_of_an_order_is_shown_once_until_its_end_though_the_connection_is_lost(
    engine: FakeEngine,
) -> None:
    run(engine, "trade", "sell", "1", "--detach")
    (order_id,) = engine.orders
    engine.drop_after = 3
    result = run(engine, "watch", order_id)
    assert result.exit_code == 0
    assert [json.loads(each)["status"] for each in result.output.splitlines()] == list(LIFE)


def test_order_that_the_account_does_not_have_is_refused(engine: FakeEngine) -> None:
    result = run(engine, "watch", "01a21f69-0000-7000-8000-000000000000")
    assert result.exit_code == 1
    assert "ORDER_NOT_FOUND" in result.output


def test_line_says_what_happened_and_what_only_this_status_has() -> None:
    assert line(an_event(2)) == "12:00:00.250  o   2  routing"
    assert line(an_event(9, "failed", attempt=3, code="NO_ROUTE", message="none")) == (
        "12:00:00.250  o   9  failed    (attempt 3)  code NO_ROUTE  message none"
    )
