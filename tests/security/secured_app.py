"""A client of the application for tests: any account, over WebSocket and REST."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import text
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations.roles import PRIVILEGES
from tests.security.tokens import token
from tests.support.instance import Instance
from tests.support.plain_http import NO_TLS

TIME_LIMIT_S: Final = 120.0
Frame = dict[str, Any]


def an_account(name: str) -> str:
    """Return an account that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


@dataclass
class SecuredApp:
    """The running application, and every token that was shown to it."""

    instance: Instance
    database_url: str
    shown: list[str] = field(default_factory=list)

    def token(self, account: str, **changed: Any) -> str:
        made = token(sub=account, **changed)
        self.shown.append(made)
        return made

    def bearer(self, account: str, **changed: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(account, **changed)}"}

    @contextmanager
    def socket(self, account: str, query: str = "", **changed: Any) -> Iterator[ClientConnection]:
        headers = self.bearer(account, **changed)
        url = f"{self.instance.websocket_url}{query}"
        with connect(url, additional_headers=headers, open_timeout=TIME_LIMIT_S) as opened:
            yield opened

    def refusal(self, query: str = "", **how: Any) -> int:
        """Return the status with which a handshake is refused; 101 if it is not."""
        try:
            with connect(f"{self.instance.websocket_url}{query}", open_timeout=TIME_LIMIT_S, **how):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    def rest(self, account: str, method: str, path: str, **how: Any) -> httpx.Response:
        url = f"{self.instance.rest_url}{path}"
        headers = self.bearer(account)
        return httpx.request(method, url, headers=headers, timeout=TIME_LIMIT_S, verify=NO_TLS, **how)

    def traces(self) -> Iterator[str]:
        """Yield all that the application has left behind: its log, its files,
        and every row of its database.
        """
        yield "\n".join(self.instance.lines)
        for folder, _, names in os.walk(self.instance.state_dir):
            for path in (Path(folder, name) for name in names):
                # Environments end with their temporary files, and the status is replaced each second.
                with suppress(FileNotFoundError):
                    if path.is_file():
                        yield path.read_bytes().decode("latin-1")
        engine = make_engine(self.database_url)
        with engine.connect() as connection:
            for table in PRIVILEGES:
                rows = connection.execute(text(f"SELECT t::text FROM {table} t"))  # noqa: S608  # our own names
                yield "\n".join(rows.scalars())
        engine.dispose()


def say(socket: ClientConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


def receive(socket: ClientConnection, is_wanted: Callable[[Frame], bool]) -> Frame:
    """Return the next frame that is wanted; the others are passed over."""
    while True:
        frame: Frame = json.loads(socket.recv(timeout=TIME_LIMIT_S))
        if is_wanted(frame):
            return frame


def ask(socket: ClientConnection, **frame: Any) -> Frame:
    """Return the answer to a frame."""
    request_id = uuid.uuid4().hex
    say(socket, requestId=request_id, **frame)
    return receive(socket, lambda answer: answer.get("requestId") == request_id)


def trade(socket: ClientConnection) -> str:
    """Submit an order, wait for its end; return its id."""
    order_id = ask(socket, action="submit", side="sell", amount="0.01")["orderId"]
    final = receive(
        socket, lambda f: f.get("orderId") == order_id and f.get("status") in {"confirmed", "failed"}
    )
    assert final["status"] == "confirmed", final
    return str(order_id)
