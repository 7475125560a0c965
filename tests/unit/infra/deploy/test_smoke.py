"""What a stage says to a smoke order; tests/deploy/test_deployment.py has one that is confirmed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from infra.deploy import smoke
from infra.deploy.smoke import SmokeOrderError, smoke_order, still_awaited


@contextmanager
def stage_that_says(frame: str) -> Iterator[str]:
    def answer(connection: ServerConnection) -> None:
        for _ in ("unsubscribe", "submit"):
            connection.recv()
        connection.send(frame)

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "frame",
    ["Task timed out after 10.00 seconds", json.dumps({"message": "Internal server error"})],
    ids=["no JSON", "the gateway's own"],
)
def test_function_that_did_not_answer_is_told_in_the_gateways_words(frame: str) -> None:
    with stage_that_says(frame) as url, pytest.raises(SmokeOrderError) as raised:
        smoke_order(url, token=None, say=print)
    assert frame in str(raised.value)


def test_stage_that_sends_an_empty_frame_is_told_how_to_be_without() -> None:
    with stage_that_says("") as url, pytest.raises(SmokeOrderError, match="ORDERFLOW_ROUTE_RESPONSES=0"):
        smoke_order(url, token=None, say=print)


@contextmanager
def stage_that_refuses(*statuses: int) -> Iterator[str]:
    """A stage whose next handshakes are answered so, and which hangs up after the one that is not."""
    left = list(statuses)

    def refuse(connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(left.pop(0), "no") if left else None

    def hang_up(connection: ServerConnection) -> None:
        connection.recv()

    with serve(hang_up, "127.0.0.1", 0, process_request=refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_token_that_the_stage_refuses_is_told_as_that() -> None:
    with stage_that_refuses(401) as url, pytest.raises(SmokeOrderError, match="refused with 401; is --token"):
        smoke_order(url, token="expired", say=print)


def test_stage_that_is_not_ready_is_asked_again_and_one_that_hangs_up_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smoke, "_AGAIN_AFTER_S", 0.01)
    with stage_that_refuses(503, 500) as url, pytest.raises(SmokeOrderError, match="the connection ended"):
        smoke_order(url, token=None, say=print)


def test_emulator_that_refuses_since_a_function_was_too_slow_is_asked_again_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MiniStack answers 403 for whatever a function failed with, also for its time-out in a cold start."""
    monkeypatch.setattr(smoke, "_AGAIN_AFTER_S", 0.01)
    with stage_that_refuses(403, 403) as url, pytest.raises(SmokeOrderError, match="the connection ended"):
        smoke_order(url, token=None, say=print)


def test_emulator_that_refuses_until_the_time_is_over_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smoke, "_AGAIN_AFTER_S", 2 * smoke.TIME_LIMIT_S)  # once more would be too late
    with stage_that_refuses(403) as url, pytest.raises(SmokeOrderError, match="refused with 403; is --token"):
        smoke_order(url, token="expired", say=print)


def test_stage_that_is_not_there_is_told_when_the_time_is_over() -> None:
    with pytest.raises(SmokeOrderError, match=r"ws://127\.0\.0\.1:9 does not answer"):
        smoke_order("ws://127.0.0.1:9", token=None, say=print, time_limit_s=0.1)


def test_order_that_ended_without_an_answer_to_its_frame_does_not_prove_the_stage() -> None:
    accepted = {"type": "accepted", "orderId": "o"}
    order = [{"type": "order", "status": status} for status in ("pending", "confirmed")]
    assert still_awaited([accepted, order[0]]) == "end"
    assert still_awaited(order) == "answer"
    assert still_awaited([accepted, *order]) is None
    assert still_awaited([*order, accepted]) is None
