"""What a stage says to a smoke order; tests/deploy/test_deployment.py has one that is confirmed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.sync.server import ServerConnection, serve

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


def test_order_that_ended_without_an_answer_to_its_frame_does_not_prove_the_stage() -> None:
    accepted = {"type": "accepted", "orderId": "o"}
    order = [{"type": "order", "status": status} for status in ("pending", "confirmed")]
    assert still_awaited([accepted, order[0]]) == "end"
    assert still_awaited(order) == "answer"
    assert still_awaited([accepted, *order]) is None
    assert still_awaited([*order, accepted]) is None
