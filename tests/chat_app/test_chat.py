"""Another Chalice app under the local runtime: a chat with rooms, over real sockets."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

CHAT_APP = REPOSITORY / "tests" / "chat_app"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder: Path = tmp_path_factory.mktemp("chat")
    settings = {"CHAT_DIR": str(folder)}
    with Instance(CHAT_APP, folder / "state", environment=settings) as instance:
        yield instance


def opened(url: str) -> ClientConnection:
    return connect(url, open_timeout=TIME_LIMIT_S)


def send(client: ClientConnection, **frame: Any) -> None:
    client.send(json.dumps(frame))


def receive(client: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(client.recv(timeout=TIME_LIMIT_S))
    return frame


def join(client: ClientConnection, room: str) -> None:
    send(client, join=room)
    assert receive(client) == {"joined": room, "greeting": "welcome"}


def test_what_one_says_reaches_everybody_in_the_room_and_nobody_else(chat: Instance) -> None:
    with (
        opened(chat.websocket_url) as ann,
        opened(chat.websocket_url) as bob,
        opened(chat.websocket_url) as eve,
    ):
        join(ann, "tea")
        join(bob, "tea")
        join(eve, "coffee")
        send(ann, say="hello")
        received = [receive(ann), receive(bob)]
        assert [frame["said"] for frame in received] == ["hello", "hello"]
        assert received[0]["by"] == received[1]["by"]
        send(eve, say="alone")
        assert receive(eve)["said"] == "alone"


def test_who_leaves_receives_no_more(chat: Instance) -> None:
    with opened(chat.websocket_url) as ann, opened(chat.websocket_url) as bob:
        join(ann, "leaving")
        join(bob, "leaving")
        send(bob, leave=True)
        assert receive(bob) == {"left": True}
        send(ann, say="anyone?")
        assert receive(ann)["said"] == "anyone?"
        join(bob, "elsewhere")


def test_room_is_told_when_a_connection_ends(chat: Instance) -> None:
    with opened(chat.websocket_url) as ann:
        join(ann, "goodbye")
        with opened(chat.websocket_url) as bob:
            join(bob, "goodbye")
        assert set(receive(ann)) == {"gone"}


def test_connect_handler_can_refuse(chat: Instance) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(f"{chat.websocket_url}?name=banned"):
        pass
    assert refused.value.response.status_code == 403


def test_rest_route_of_the_same_app_answers(chat: Instance) -> None:
    with opened(chat.websocket_url) as ann:
        join(ann, "counted")
        with urllib.request.urlopen(f"{chat.rest_url}/rooms", timeout=TIME_LIMIT_S) as answer:
            assert json.load(answer)["counted"] == 1


def test_banner_says_where_to_connect(chat: Instance) -> None:
    assert chat.line("wscat") == f"wscat -c ws://127.0.0.1:{chat.port}/ws"
    assert chat.line("REST") == f"REST http://127.0.0.1:{chat.port}/api"
