"""The edges of REST and WebSocket: a defect is answered in the contract's form, and logged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.config import Settings
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from tests.deploy.events import rest_event, socket_event
from tests.fakes.ports import FakeConnections

BODY = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1"}
ERROR = {"code": "INTERNAL_ERROR", "details": []}


class InTime:
    """Lambda's context of an invocation that has all its time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


class Broken:
    """A service that fails as no service is allowed to."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(f"planted in {name}")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> bootstrap.Services:
    """Services that nothing but the edge works of."""
    open_to_all = {"AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1", "CONNECTIONS_URL": "http://here"}
    made = bootstrap.Services(Settings.from_env(open_to_all))
    for name in (
        "submit_orders",
        "read_orders",
        "cancel_orders",
        "quote_swaps",
        "replay_orders",
        "subscriptions",
        "queue",
    ):
        vars(made)[name] = Broken()
    vars(made)["connections"] = FakeConnections()
    for module in ("rest", "websocket", "identity"):
        monkeypatch.setattr(f"chalicelib.handlers.{module}.services", lambda: made)
    return made


@pytest.fixture
def app() -> Iterator[Any]:
    """The app; Chalice would keep the engine's log to errors from here on,
    where stdout is not the process's own.
    """
    level = logger.log_level
    from chalice_app.app import app

    yield app
    logger.setLevel(level)


def called(app: Any, event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    answer = app(event, InTime())
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/orders", {}),
        ("POST", "/orders/execute", {}),
        ("GET", "/orders", {}),
        ("GET", "/orders/{order_id}", {}),
        ("DELETE", "/orders/{order_id}", {}),
        ("GET", "/orders/{order_id}/events", {}),
        ("POST", "/quotes", {}),
        ("GET", "/venues", {}),
        ("GET", "/health/ready", {}),
    ],
)
@pytest.mark.usefixtures("services")
def test_defect_behind_any_route_is_answered_in_the_contracts_form_and_logged(
    app: Any, caplog: pytest.LogCaptureFixture, method: str, path: str, more: dict[str, Any]
) -> None:
    event = rest_event(method, path, BODY if method == "POST" else None) | more
    event["pathParameters"] = {"order_id": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}

    status, body, headers = called(app, event)

    assert status == 500
    assert body.pop("message")
    assert body == ERROR
    assert headers["Content-Type"] == "application/json"
    (defect,) = [record for record in caplog.records if record.message == "defect"]
    assert defect.exc_info is not None


@pytest.mark.parametrize(
    ("method", "content_type", "status", "code"),
    [
        ("PATCH", "application/json", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "text/html", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
@pytest.mark.usefixtures("services")
def test_refusal_of_the_router_is_in_the_contracts_form(
    app: Any, method: str, content_type: str, status: int, code: str
) -> None:
    event = rest_event(method, "/orders", BODY)
    event["headers"] = {"content-type": content_type}
    found, body, headers = called(app, event)
    assert (found, body["code"], body["details"]) == (status, code, [])
    assert body.keys() == {"code", "message", "details"}
    assert ("Allow" in headers) == (status == 405)


def test_defect_behind_a_frame_is_answered_and_the_connection_stays_open(
    services: bootstrap.Services, app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    event = socket_event("MESSAGE", body=json.dumps({"action": "submit", "requestId": "r1", **BODY}))
    assert app.websocket_handlers  # the routes are there
    from chalicelib.handlers import websocket

    assert websocket.message(event) == {"statusCode": 200}
    connections = vars(services)["connections"]
    (frame,) = map(json.loads, connections.frames["gone-connection="])
    assert (frame["type"], frame["requestId"], frame["code"]) == ("error", "r1", "INTERNAL_ERROR")
    assert connections.gone == set()
    assert "defect" in [record.message for record in caplog.records]


def test_defect_behind_a_frame_is_answered_in_the_result_that_chalice_returns_where_the_api_passes_it_on(
    services: bootstrap.Services, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    from chalice_app.app import websocket_message

    assert app.websocket_handlers  # the routes are there
    services.settings = services.settings.model_copy(update={"route_responses": True})
    event = socket_event("MESSAGE", body=json.dumps({"action": "submit", "requestId": "r1", **BODY}))
    result = websocket_message(event, InTime())
    frame = json.loads(result.pop("body"))
    assert result == {"statusCode": 200}
    assert (frame["type"], frame["requestId"], frame["code"]) == ("error", "r1", "INTERNAL_ERROR")
    assert vars(services)["connections"].frames == {}


@pytest.mark.usefixtures("services")
def test_defect_behind_a_handshake_is_answered_with_500() -> None:
    from chalicelib.handlers import websocket

    event = socket_event("CONNECT", queryStringParameters=dict(BODY))
    answer = websocket.connect(event)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["code"] == "INTERNAL_ERROR"


@pytest.mark.usefixtures("services")
def test_defect_while_a_connection_is_forgotten_is_nobody_elses() -> None:
    from chalicelib.handlers import websocket

    assert websocket.disconnect(socket_event("DISCONNECT")) == {"statusCode": 200}


def test_fault_outside_is_still_503(services: bootstrap.Services, app: Any) -> None:
    class Down:
        def orders(self, *_: object, **__: object) -> None:
            raise RetryableError("the database did not answer")

    vars(services)["read_orders"] = Down()
    status, body, _ = called(app, rest_event("GET", "/orders"))
    assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
