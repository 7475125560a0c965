"""A chat whose table is in resources.json and in a variable, both APIs at one stage."""

import json
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

CHAT = REPOSITORY / "tests" / "strangers" / "chat"


def test_chat_with_a_table_runs_with_no_further_step_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Instance(CHAT, tmp_path / "state", "--no-reload") as instance:
            url = f"ws://127.0.0.1:{instance.port}/api"
            instance.line(f"wscat -c {url}")
            instance.line("resource=WebsocketMessage")
            with (
                connect(url, open_timeout=TIME_LIMIT_S) as one,
                connect(url, open_timeout=TIME_LIMIT_S) as other,
            ):
                one.send("hello")
                assert [each.recv(timeout=TIME_LIMIT_S) for each in (one, other)] == ["hello", "hello"]
                with urllib.request.urlopen(f"{instance.rest_url}/people") as answer:
                    told = json.load(answer)
                assert told["people"] == 2
                assert told["arn"].startswith("arn:aws:dynamodb:us-east-1:000000000000:table/")
