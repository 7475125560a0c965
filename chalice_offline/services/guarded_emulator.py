"""MiniStack's ASGI application behind its guard: ``uvicorn chalice_offline.services.guarded_emulator:app``.

What is refused reaches nothing of MiniStack's. The usual queue calls do not come by here: ``emulator_http``
answers them, with the same guard.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import ministack.app as ministack

from chalice_offline.services.emulator_guard import (
    CanonicalRequest,
    Guard,
    GuardRefusal,
    otherwise_signed,
)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Beside S3, which has a shape of its own, the services whose errors are XML though they are asked by no form.
_REST_XML: Final = frozenset({"cloudfront", "route53"})
_CREDENTIAL: Final = re.compile(r"Credential=[^/,]+/[^/,]+/[^/,]+/([^/,]+)/")
# More than a function's package may have, which is the largest thing that is ever sent.
BODY_BYTES_MAX: Final = 256 * 1024 * 1024


class GuardedEmulator:
    """Lets the guard look at each request before the emulator does."""

    def __init__(self, emulator: Application, guard: Guard) -> None:
        self._emulator = emulator
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._emulator(scope, receive, send)
        elif self._guard.is_open_api(scope["path"]):
            refusal = self._guard.refusal_of_client(scope["headers"])
            if refusal is None:
                await self._emulator(scope, receive, send)
            else:
                await _refuse(scope, send, refusal)
        elif scope["type"] == "websocket":
            await _refuse(scope, send, GuardRefusal("ForbiddenException", "Forbidden: no such WebSocket API"))
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that must be signed."""
        head = CanonicalRequest(scope["method"], _raw_path(scope), _query(scope), _headers(scope), b"")
        refusal = self._guard.refusal_of_head(scope["path"], scope["headers"], head)
        if refusal is not None:
            await _refuse(scope, send, refusal)
            return
        body = await _body(receive)
        if body is None:
            return
        refusal = self._guard.refusal_of_signature(head._replace(body=body))
        if refusal is not None:
            await _refuse(scope, send, refusal)
            return
        await self._emulator(scope, _replay(body, receive), send)


def refusal_answer(
    headers: Mapping[str, str], refusal: GuardRefusal, service: str | None = None
) -> tuple[str, bytes]:
    """Return content type and body of a refusal, as the caller's protocol has errors,
    without a word to browsers.

    Args:
        service: Signing name of the service that is called, if the request says it.
    """
    error = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    if service == "s3":
        return "application/xml", error.encode()
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if is_form or service in _REST_XML:
        return "text/xml", f"<ErrorResponse>{error}</ErrorResponse>".encode()
    document = {"__type": refusal.code, "message": refusal.message}
    return "application/x-amz-json-1.0", json.dumps(document).encode()


async def _refuse(scope: Scope, send: Send, refusal: GuardRefusal) -> None:
    content_type, body = refusal_answer(_headers(scope), refusal, _service(scope))
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        # What it may still send is not wanted.
        (b"connection", b"close"),
    ]
    await send({"type": f"{kind}.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def _service(scope: Scope) -> str | None:
    """Return the service that a request says it is for, by its signature; None if it says nothing."""
    if scope["type"] != "http":
        return None
    headers, query = _headers(scope), _query(scope)
    if otherwise := otherwise_signed(scope["method"], _raw_path(scope), query, headers):
        return otherwise
    credential = _CREDENTIAL.search(headers.get("authorization", "")) or _CREDENTIAL.search(
        f"Credential={query.get('X-Amz-Credential', [''])[0]}"
    )
    return credential[1] if credential else None


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body; None if the client left, or would not come to an end."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that begins with a body that has been read."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by name in lower case; repeated ones are one, as they are signed."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in scope["headers"]:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("utf-8", "surrogateescape")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _raw_path(scope: Scope) -> str:
    return str(scope["raw_path"].decode("latin-1"))


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode("utf-8", "surrogateescape"), keep_blank_values=True)


app: Final = GuardedEmulator(ministack.app, Guard.from_env(os.environ))
