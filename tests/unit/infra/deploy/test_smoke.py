"""What a stage says to a smoke order; tests/deploy/test_deployment.py has one that is confirmed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.sync.server import ServerConnection, serve

from infra.deploy.smoke import SmokeOrderError, smoke_order


@contextmanager
def stage_that_says(frame: str) -> Iterator[str]:
    def answer(connection: ServerConnection) -> None:
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
