"""The ASGI application: tells WebSocket, management and REST requests apart by their path."""

import re
import time
from typing import Final

from chalice_offline.callers import by_name
from chalice_offline.gateway.asgi import Receive, Scope, Send
from chalice_offline.gateway.callbacks import CONNECTIONS_PATH, REQUEST_ID, Callbacks
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import Arrival
from chalice_offline.gateway.forwarded import with_forwarded
from chalice_offline.gateway.invocations import (
    INVOKE_PATH,
    PAYLOAD_BYTES_MAX,
    Invocations,
    InvokeRequest,
)
from chalice_offline.gateway.management import no_such_method
from chalice_offline.gateway.refusals import BAD_QUERY, body_too_long, head_too_long
from chalice_offline.gateway.responses import Response, error
from chalice_offline.gateway.rest import RestApi
from chalice_offline.gateway.rest_events import Request
from chalice_offline.gateway.settings import HEALTH_STAGES, MESSAGE_BYTES_MAX
from chalice_offline.gateway.websocket import serve_websocket
from chalice_offline.prompt_http import HEADERS_SENT
from chalice_offline.prompt_requests import PromptRequest
from chalice_offline.uuids import new_uuid

# The address form of emulators that serve many APIs on one port; the API's id is not looked at here.
_EMULATOR_PREFIX: Final = re.compile(r"/_aws/execute-api/[^/]+(?=/)")
_EXTENDED_ID: Final = "x-amz-apigw-id"
_HEALTHY: Final = Response(200, b"healthy", (("Content-Type", "text/plain"),))
_FORBIDDEN: Final = error(403, "ForbiddenException", "Forbidden")
# api-gateway-known-issues.html
_RESERVED: Final = (
    "API Gateway answers this itself, also behind a custom domain; the app's is below its stage"
)
# api-gateway-known-issues.html
_UNENCODED: Final = frozenset(b"|{}")
_TO_ENCODE: Final = "what has to be encoded in a query, | or { or }, was not: 400, as on AWS"
_STOPPING: Final = error(503, "ServiceUnavailableException", "Service Unavailable")
_WITHOUT_BODY: Final = frozenset({204, 304})
_HEALTH_PATHS: Final = frozenset(f"/{stage}" for stage in HEALTH_STAGES)


class Application:
    """Routes requests to the three APIs."""

    def __init__(self, edge: Edge, callbacks: Callbacks, rest: RestApi, invocations: Invocations) -> None:
        self._edge = edge
        self._callbacks = callbacks
        self._rest = rest
        self._invocations = invocations
        self._rest_stage = f"/{edge.settings.rest_stage}"
        base_path = edge.settings.base_path
        self._base_path = None if base_path is None else base_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent_path = scope["raw_path"]
        if scope["path"].startswith("/_aws/"):
            scope["path"] = _EMULATOR_PREFIX.sub("", scope["path"], count=1)
            scope["raw_path"] = _EMULATOR_PREFIX.sub("", scope["raw_path"].decode("ascii"), count=1).encode()
        if scope["type"] == "websocket":
            await serve_websocket(self._edge, scope, receive, send)
        else:
            began = time.monotonic()
            response = await self._respond(scope, receive, sent_path)
            if not scope["path"].startswith(self._callbacks.path):
                facts = {"method": scope["method"], "path": scope["path"], "status": response.status}
                self._edge.settings.log(
                    "request", {**facts, "duration_ms": round((time.monotonic() - began) * 1000)}
                )
            await _respond(send, response)

    async def _respond(self, scope: Scope, receive: Receive, sent_path: bytes) -> Response:
        path: str = scope["path"]
        if path.startswith(self._callbacks.path):
            return await self._answer_callback(scope, receive, sent_path)
        if path.startswith(INVOKE_PATH) and self._edge.manifest.deployed_names:
            body = await self._edge.unless_given_up(_body(receive, PAYLOAD_BYTES_MAX))
            if body is None:
                return _with_headers(_STOPPING, (REQUEST_ID, new_uuid()))
            target = (sent_path + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode(
                "latin-1"
            )
            answer = await self._invocations.respond(
                InvokeRequest(scope["method"], target, scope["headers"], body)
            )
            return _with_headers(answer, (REQUEST_ID, new_uuid()))
        stranger = self._edge.stranger(scope["headers"])
        if stranger is not None:
            return error(403, "ForbiddenException", f"Forbidden: {stranger}")
        return await self._serve(scope, receive)

    async def _answer_callback(self, scope: Scope, receive: Receive, sent_path: bytes) -> Response:
        request = PromptRequest(
            method=scope["method"],
            target=sent_path + (b"?" + scope["query_string"] if scope["query_string"] else b""),
            headers=scope["headers"],
            named=by_name(scope["headers"]),
            body=await _body(receive, MESSAGE_BYTES_MAX),
        )
        connection_id = scope["path"].removeprefix(self._callbacks.path)
        response = self._callbacks.respond(connection_id, request)
        return _with_headers(response, (REQUEST_ID, new_uuid()))

    async def _serve(self, scope: Scope, receive: Receive) -> Response:
        """Answer a request of the REST API, or one that is none of any API's."""
        path: str = "/" + scope["path"].lstrip("/")
        if _is_below(path, self._rest_stage):
            return await self._call_rest(scope, receive, self._rest_stage)
        if path in _HEALTH_PATHS:
            if self._base_path == "" and path in self._edge.manifest.http_routes:
                self._edge.warn(_RESERVED, path=path, stage=self._rest_stage)
            return _HEALTHY
        if self._base_path is not None and _is_below(path, self._base_path):
            return await self._call_rest(scope, receive, self._base_path)
        return _with_headers(self._answer_of_no_api(scope["method"], path), (REQUEST_ID, new_uuid()))

    def _answer_of_no_api(self, method: str, path: str) -> Response:
        stage, _, route = path[1:].partition("/")
        if stage == self._edge.settings.websocket_stage and CONNECTIONS_PATH in path:
            return no_such_method(method, route)
        if self._edge.manifest.http_function is not None:
            hint = "no API at this path: REST is below its stage, and where gateway.base_path says"
            self._edge.warn(hint, stage=self._rest_stage)
        return _FORBIDDEN

    async def _call_rest(self, scope: Scope, receive: Receive, base: str) -> Response:
        """Answer a request to the REST API, which is at this path: its stage's, or the other one."""
        arrival, request_id = self._edge.arrival(), new_uuid()
        response = await self._answer_of_rest(scope, receive, base, arrival, request_id)
        return _with_headers(response, (REQUEST_ID, request_id), (_EXTENDED_ID, arrival.request_id))

    async def _answer_of_rest(
        self, scope: Scope, receive: Receive, base: str, arrival: Arrival, request_id: str
    ) -> Response:
        edge = self._edge
        if edge.stopping:
            return _STOPPING
        limits = edge.settings.limits
        if _head_bytes(scope) > limits.rest_head_bytes_max:
            return head_too_long(limits.rest_head_bytes_max)
        if not _UNENCODED.isdisjoint(scope["query_string"]):
            edge.warn(_TO_ENCODE, path=scope["path"])
            return BAD_QUERY
        bytes_max = limits.rest_body_bytes_max
        body = await edge.unless_given_up(_body(receive, bytes_max))
        if body is None:
            return _STOPPING
        if len(body) > bytes_max:
            return body_too_long(bytes_max)
        source_ip, source_port = scope["client"] or ("", 0)
        headers = with_forwarded(
            (
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in scope["state"][HEADERS_SENT]
            ),
            source_ip=source_ip,
            port=scope["server"][1] if scope["server"] else source_port,
            is_tls=scope["scheme"] == "https",
            now_ms=arrival.now_ms,
        )
        request = Request(
            method=scope["method"],
            target=_target(scope, base),
            base_path="" if base == self._rest_stage else base,
            has_stage=base == self._rest_stage,
            headers=headers,
            body=body,
            source_ip=source_ip,
            request_id=request_id,
            extended_id=arrival.request_id,
            now_ms=arrival.now_ms,
            still_waits=lambda: not _has_left(receive),
        )
        return await self._rest.respond(request)


def _with_headers(response: Response, *headers: tuple[str, str]) -> Response:
    return response._replace(headers=(*response.headers, *headers))


def _target(scope: Scope, base: str) -> str:
    """Return path and query as they were sent, without the stage or base path."""
    path: str = scope["raw_path"].decode("ascii")
    if base:
        path = ("/" + path.lstrip("/")).removeprefix(base) or "/"
    return path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")


def _head_bytes(scope: Scope) -> int:
    """Return the length of the request line and the values of all headers."""
    line = f"{scope['method']} {_target(scope, '')} HTTP/1.1"
    return len(line) + sum(len(value) for _, value in scope["state"][HEADERS_SENT])


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _has_left(receive: Receive) -> bool:
    """Return whether a client has closed its connection; ``receive`` itself would wait for that."""
    return bool(getattr(getattr(receive, "__self__", None), "disconnected", False))


async def _body(receive: Receive, bytes_max: int) -> bytes:
    """Read the request's body, but stop somewhere beyond ``bytes_max``."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= bytes_max:
        message = await receive()
        body += message.get("body", b"")
    return body


async def _respond(send: Send, response: Response) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers
    ]
    # A body after such a status would be read as the beginning of the connection's next answer. Chalice has
    # one for ``Response(None, status_code=204)``: ``null``.
    body = b"" if response.status in _WITHOUT_BODY else response.body
    if response.status not in _WITHOUT_BODY:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
