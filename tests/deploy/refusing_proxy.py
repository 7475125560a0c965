"""An emulator that lacks a service: what it refuses, and all else handed on."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

# What a connection says of itself is not the other connection's.
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "transfer-encoding", "content-encoding"})
_TIME_LIMIT_S = 60


@contextmanager
def refusing(path: str, endpoint: str) -> Iterator[str]:
    """Serve an emulator without what lies below the path, as LocalStack does without a token.

    Yield the URL.
    """

    client = httpx.Client(timeout=_TIME_LIMIT_S)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.startswith(path):
                self._send(501, {"Content-Type": "application/json"}, b'{"__type": "InternalFailure"}')
                return
            asked = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            found = client.request(self.command, f"{endpoint}{self.path}", headers=asked, content=body)
            self._send(found.status_code, dict(found.headers), found.content)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        # One for each method, as the base class looks for them.
        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        client.close()
