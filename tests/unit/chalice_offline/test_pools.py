"""User pools as the gateway finds them: at an emulator that has one that signs, and one that cannot."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chalice_offline.gateway.settings import PoolKeys
from chalice_offline.logs import Log
from chalice_offline.pools import UserPools

AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
SIGNING, UNSIGNED = "eu-west-1_signing", "eu-west-1_unsigned"
# As MiniStack answers, of which the key's id is what says that it has none.
KEYS = {
    SIGNING: {"keys": [{"kid": "k1", "kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
    UNSIGNED: {"keys": [{"kid": "ministack-key-1", "kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
}


class Emulator(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = KEYS.get(self.path.split("/")[1])
        body = json.dumps(found or {}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Emulator)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def found(pools: UserPools, *pool_ids: str) -> list[PoolKeys | None]:
    async def find() -> list[PoolKeys | None]:
        return [await pools.find(pool_id) for pool_id in pool_ids]

    return asyncio.run(find())


def test_pool_is_known_by_its_keys_and_one_that_is_not_there_by_none(endpoint: str, log: Log) -> None:
    pools = UserPools(endpoint, AWS, log)
    assert found(pools, SIGNING, "eu-west-1_none") == [{"k1": (65537, 65537)}, None]


def test_pool_whose_tokens_are_taken_unverified_is_warned_of_once(endpoint: str) -> None:
    said = io.StringIO()
    log = Log(said)
    assert found(UserPools(endpoint, AWS, log), SIGNING, UNSIGNED, UNSIGNED)[1:] == [{}, {}]
    log.close()
    (line,) = [line for line in said.getvalue().splitlines() if "unverified" in line]
    assert "pip install cryptography" in line
    assert UNSIGNED in line
