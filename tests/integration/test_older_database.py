"""Every function of the app on a database that was not prepared for it: clients get a refusal that may pass,
and messages come back.
"""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from chalicelib import migrations
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.handlers import schedule, websocket
from chalicelib.logs import logger
from chalicelib.migrations import newest_revision, revisions
from chalicelib.wire.queue_messages import render_message
from tests.deploy.events import rest_event, socket_event
from tests.fakes.ports import FakeConnections
from tests.integration.consumer import Consumer
from tests.integration.poison import accepted, an_order_now
from tests.support.postgres_server import sibling

ORDER: Final = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1"}
ONE_ORDER: Final = {"orderId": str(UUID(int=7))}


class InTime:
    def get_remaining_time_in_millis(self) -> int:
        return 10_000


def migrated_down(url: str, revision: str) -> None:
    engine, config = make_engine(url), Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


@pytest.fixture(scope="module", params=["older", "empty", "absent"])
def market_url(request: pytest.FixtureRequest, make_database: Callable[[], str], server_url: str) -> str:
    """A database that lacks the last migration, one that was never prepared, and none."""
    name = f"unprepared_{uuid4().hex[:8]}"
    if request.param == "older":
        url = make_database()
        owner = make_engine(url)
        seed(owner, load_market())
        owner.dispose()
        migrated_down(url, revisions()[-2])
        return url
    if request.param == "empty":
        admin = make_engine(server_url)
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
        admin.dispose()
    return sibling(server_url, name)


@pytest.fixture
def lacks(request: pytest.FixtureRequest) -> list[str]:
    """What is missing of a database that is there."""
    kind = request.node.callspec.params["market_url"]
    return {"older": [newest_revision()], "empty": [*revisions()], "absent": []}[kind]


@pytest.fixture
def app() -> Iterator[Any]:
    """The app; Chalice would keep the engine's log to errors from here on."""
    level = logger.log_level
    from chalice_app.app import app

    yield app
    logger.setLevel(level)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.levelno >= logging.ERROR]


def of_rest(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    event = rest_event(method, path, body)
    return event | {"pathParameters": {"order_id": ONE_ORDER["orderId"]} if "{" in path else None}


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/orders", None),
        ("GET", "/orders/{order_id}", None),
        ("DELETE", "/orders/{order_id}", None),
        ("PATCH", "/orders/{order_id}", {"limitPrice": "1"}),
        ("GET", "/orders/{order_id}/events", None),
        ("DELETE", "/orders", None),
        ("POST", "/quotes", ORDER),
        ("GET", "/markets", None),
        ("GET", "/operator/dead-letters", None),
        ("GET", "/operator/audit", None),
        ("GET", "/health/ready", None),
    ],
)
def test_request_that_needs_the_database_is_put_off(
    app: Any, caplog: pytest.LogCaptureFixture, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = app(of_rest(method, path, body), InTime())
    assert answer["statusCode"] == 503
    assert errors(caplog) == []


@pytest.mark.usefixtures("consumer")
def test_readiness_names_the_migrations_that_are_missing(app: Any, lacks: list[str]) -> None:
    body = json.loads(app(rest_event("GET", "/health/ready"), InTime())["body"])
    unavailable = {"status": "unavailable", "database": "unavailable", "queue": "ok", "prices": "unknown"}
    assert body == unavailable | ({"missingMigrations": lacks} if lacks else {})


def test_frames_get_a_refusal_that_may_pass_and_orders_are_accepted(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    vars(consumer.services)["connections"] = replies = FakeConnections()
    for frame, answer in (
        ({"action": "submit", **ORDER}, "accepted"),
        ({"action": "submit", "clientOrderId": "mine", **ORDER}, "accepted"),
        ({"action": "subscribe"}, "SERVICE_UNAVAILABLE"),
        ({"action": "cancel", **ONE_ORDER}, "SERVICE_UNAVAILABLE"),
        ({"action": "cancelAll"}, "SERVICE_UNAVAILABLE"),
        ({"action": "quote", **ORDER}, "SERVICE_UNAVAILABLE"),
    ):
        websocket.message(socket_event("MESSAGE", body=json.dumps(frame)))
        said = json.loads(replies.frames["gone-connection="][-1])
        assert said.get("code", said["type"]) == answer, frame
    websocket.disconnect(socket_event("DISCONNECT"))
    assert errors(caplog) == []


def test_messages_come_back_and_what_runs_by_the_clock_is_put_off(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(consumer, 3)
    received, unfinished = consumer.run()
    assert unfinished == received
    consumer.put("not ours", render_message(OrderMessage(order=an_order_now())))
    received, unfinished = consumer.resolve()
    assert unfinished == received
    for function in (schedule.sweep, schedule.match_prices):
        assert function()["done"] is False
    assert errors(caplog) == []
