"""Every function of the app with everything outside hanging: it ends by itself, and tells what it knows."""

import importlib.util
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import ModuleType
from typing import Any, Final, Self
from uuid import UUID

import pytest

from chalicelib import bootstrap
from chalicelib.adapters.postgres.error_translation import COURTESY_TIME_LIMIT_S
from chalicelib.adapters.time_left import MARGIN_S
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.handlers.invocation import LAST_WORDS_S
from chalicelib.wire.queue_messages import render_message
from tests.fakes.orders import an_order
from tests.support.instance import REPOSITORY

TIME_S: Final = 1.75
"""Little more than its margins; the limits of what is outside would add up to more."""

_BEAT_S: Final = 0.01
_NOTICED_S: Final = 0.05

ORDER: Final = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1"}


class Context:
    """Lambda's, as far as it is asked."""

    aws_request_id = "request"
    function_name = "function"
    memory_limit_in_mb = "512"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:function"

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s

    def get_remaining_time_in_millis(self) -> int:
        return int(self._time_s * 1000)


@pytest.fixture
def hole() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=128)) as subscription:
        yield subscription.getsockname()[1]


@pytest.fixture
def app(hole: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The app, wired to a database, a queue and a gateway that hang."""
    url = f"http://127.0.0.1:{hole}"
    environment = {
        "STAGE": "local", "AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1", "WALLET_SEED": "seed",
        "DATABASE_URL": f"postgresql://u:p@127.0.0.1:{hole}/d", "ORDERS_QUEUE_URL": f"{url}/queue",
        "AWS_ENDPOINT_URL": url, "CONNECTIONS_URL": url, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "PARTIAL_BATCH_RESPONSES": "1",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("hanging_app", REPOSITORY / "chalice_app" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    bootstrap.services.cache_clear()
    spec.loader.exec_module(module)
    yield module
    services = bootstrap.services()
    services.clients.executor.shutdown(wait=False, cancel_futures=True)
    services.engine.dispose()
    bootstrap.services.cache_clear()


def kept_busy_s() -> float:
    """Return how long this process's threads have run so far, or stood in line for a processor."""
    took_ns = 0
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended since it was listed
            took_ns += sum(map(int, (thread / "schedstat").read_text().split()[:2]))
    return took_ns / 1e9


class Heartbeat:
    """A thread that wakes up each hundredth of a second, and notes by how much it is late.

    Attributes:
        stood_still_s: How long the whole process did, as when its machine is halted for a moment.
    """

    def __init__(self) -> None:
        self.stood_still_s = 0.0
        self._last = monotonic()
        self._is_over = Event()
        self._thread = Thread(target=self._beat)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _beat(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._is_over.wait(_BEAT_S)
            now = monotonic()
            self.stood_still_s += max(0.0, now - self._last - _NOTICED_S)
            self._last = now


def in_time(handler: Callable[..., Any], event: dict[str, Any], time_s: float = TIME_S) -> Any:
    """Return the function's answer: it has not waited longer than its time, however busy the machine is."""
    with Heartbeat() as heartbeat:
        began, busy_s = monotonic(), kept_busy_s()
        answer = handler(event, Context(time_s))
        took_s = monotonic() - began
    assert took_s - heartbeat.stood_still_s - max(0.0, kept_busy_s() - busy_s) < time_s
    return answer


def of_websocket(body: object = None, query: dict[str, str] | None = None) -> dict[str, Any]:
    context = {"connectionId": "c=", "requestId": "r", "apiId": "local", "stage": "ws", "domainName": "h"}
    text = None if body is None else json.dumps(body)
    return {"requestContext": context, "body": text, "queryStringParameters": query, "headers": {}}


def of_rest(method: str, path: str, body: object = None, resource: str = "") -> dict[str, Any]:
    order_id = path.split("/")[2] if "{" in resource else None
    return {
        "requestContext": {"httpMethod": method, "resourcePath": resource or path, "requestId": "r"},
        "headers": {"content-type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"order_id": order_id} if order_id else None,
        "stageVariables": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def of_queue(body: str) -> dict[str, Any]:
    record = {
        "messageId": "m", "receiptHandle": "h", "body": body, "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "a:b:c:d:e:f",
        "awsRegion": "us-east-1",
    }  # fmt: skip
    return {"Records": [record]}


def test_margins_leave_every_function_time_to_work() -> None:
    config = json.loads((REPOSITORY / "chalice_app" / ".chalice" / "config.json").read_text())
    for name, function in config["lambda_functions"].items():
        limit_s = function.get("lambda_timeout", config["lambda_timeout"])
        assert limit_s > 3 * (MARGIN_S + LAST_WORDS_S), name


LONGER_S: Final = COURTESY_TIME_LIMIT_S + TIME_S


@pytest.mark.parametrize(("keyed", "time_s"), [({}, TIME_S), ({"clientOrderId": "mine"}, LONGER_S)])
def test_order_by_rest_is_of_unknown_outcome_and_named(
    app: ModuleType, keyed: dict[str, str], time_s: float
) -> None:
    answer = in_time(app.app, of_rest("POST", "/orders", ORDER | keyed), time_s)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"]) == (503, "OUTCOME_UNKNOWN")
    assert UUID(body["orderId"])


def test_order_in_a_connection_url_is_of_unknown_outcome_and_named(app: ModuleType) -> None:
    answer = in_time(app.websocket_connect, of_websocket(query=ORDER), LONGER_S + LAST_WORDS_S)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"]) == (503, "OUTCOME_UNKNOWN")
    assert UUID(body["orderId"])


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "submit", **ORDER},
        {"action": "submit", "clientOrderId": "mine", **ORDER},
        {"action": "subscribe"},
        {"action": "cancel", "orderId": str(UUID(int=7))},
        {"action": "quote", **ORDER},
    ],
)
def test_frame_is_answered_or_given_up(app: ModuleType, frame: dict[str, Any]) -> None:
    assert in_time(app.websocket_message, of_websocket(frame)) == {"statusCode": 200}


@pytest.mark.parametrize(
    ("method", "resource"),
    [
        ("GET", "/orders"),
        ("GET", "/orders/{order_id}"),
        ("DELETE", "/orders/{order_id}"),
        ("GET", "/orders/{order_id}/events"),
        ("GET", "/health/ready"),
    ],
)
def test_request_that_needs_the_database_is_put_off(app: ModuleType, method: str, resource: str) -> None:
    path = resource.replace("{order_id}", str(UUID(int=7)))
    assert in_time(app.app, of_rest(method, path, resource=resource))["statusCode"] == 503


def test_disconnect_and_sweep_end_without_an_error(app: ModuleType) -> None:
    assert in_time(app.websocket_disconnect, of_websocket()) == {"statusCode": 200}
    event = {"version": "0", "account": "", "region": "", "detail": {}, "detail-type": "Scheduled Event",
             "source": "aws.events", "time": "", "id": "", "resources": []}  # fmt: skip
    assert in_time(app.sweep, event)["done"] is False


def test_message_comes_back(app: ModuleType) -> None:
    body = render_message(OrderMessage(order=an_order()))
    for function in (app.execute_orders, app.settle_dead_letters):
        answer = in_time(function, of_queue(body))
        assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
