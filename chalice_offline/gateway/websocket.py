"""A WebSocket request, from the upgrade to ``$disconnect``."""

import asyncio
import contextlib
import json

from chalice_offline.gateway.asgi import Receive, Scope, Send
from chalice_offline.gateway.authorizer import (
    FAILED,
    NO_POLICY,
    UNAUTHORIZED,
    Allowed,
    judge,
    missing_identity,
)
from chalice_offline.gateway.connections import Closure, Connection
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import authorizer_event, connect_event, disconnect_event
from chalice_offline.gateway.forwarded import with_forwarded
from chalice_offline.gateway.handshake import Accept, Handshake, Refuse, decide_handshake
from chalice_offline.gateway.ids import new_id
from chalice_offline.gateway.protocol import FRAMES, GONE, HEAR, WRITE_NOW
from chalice_offline.gateway.routing import CONNECT, DISCONNECT
from chalice_offline.gateway.session import Client, WebSocketSession
from chalice_offline.invocation import Caller, Returned

_FORBIDDEN = "ForbiddenException"
_NO_SUCH_STAGE = Refuse(403, "Forbidden", _FORBIDDEN)
_URL_TOO_LONG = Refuse(414, "Request-URI Too Long")
_TOO_MANY = Refuse(429, "Too Many Requests", "LimitExceededException")
_STOPPING = Refuse(503, "Service Unavailable")
# What a client that vanishes during the handshake leaves behind (RFC 6455, 7.1.5).
_VANISHED = Closure(1006, "")


async def serve_websocket(edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
    """Run one WebSocket connection. The upgrade stays pending until ``$connect`` has answered."""
    await receive()  # websocket.connect
    handshake = _handshake(scope, now_ms=edge.now_ms())
    connection = Connection(
        connection_id=new_id(),
        connected_at_ms=handshake.received_ms,
        last_active_ms=handshake.received_ms,
        source_ip=handshake.source_ip,
        user_agent=handshake.header("User-Agent"),
    )
    frames = scope["extensions"][FRAMES]
    answer = _precheck(edge, scope) or await _connect(edge, connection, handshake, frames[GONE])
    if isinstance(answer, Refuse):
        await _refuse(edge, connection, answer, send)
        return
    client = Client(receive, send, frames[HEAR], frames[WRITE_NOW], frames[GONE])
    session = WebSocketSession(edge, connection, client)
    closure = await _converse(edge, session, answer, send)
    edge.settings.log(
        "connection closed",
        {
            "connection_id": connection.connection_id,
            "code": closure.code,
            "reason": closure.reason,
            "open_s": round((edge.now_ms() - connection.connected_at_ms) / 1000, 1),
        },
    )
    function_name = edge.manifest.websocket_handlers.get(DISCONNECT)
    if function_name is not None:
        event = disconnect_event(edge.api, connection, edge.arrival(), closure)
        await edge.invoke(function_name, event, Caller(connection.caller_key))


def _precheck(edge: Edge, scope: Scope) -> Refuse | None:
    """Refuse what no function needs to see."""
    stranger = edge.stranger(scope["headers"])
    if stranger is not None:
        return Refuse(403, f"Forbidden: {stranger}", _FORBIDDEN)
    if edge.stopping:
        return _STOPPING
    if len(scope["raw_path"]) + 1 + len(scope["query_string"]) > edge.settings.limits.url_chars_max:
        return _URL_TOO_LONG
    stage = f"/{edge.settings.websocket_stage}"
    if scope["path"].rstrip("/") != stage:
        if edge.manifest.websocket_handlers:
            edge.warn("no WebSocket API at this path: it is at its stage", stage=stage)
        return _NO_SUCH_STAGE
    return None if edge.connects.take(edge.now_ms()) else _TOO_MANY


async def _connect(
    edge: Edge, connection: Connection, handshake: Handshake, gone: asyncio.Event
) -> Accept | Refuse:
    """Ask the authorizer, then ``$connect``; an API without either accepts every client."""

    def still_waits() -> bool:
        return not gone.is_set()

    said: dict[str, object] = {}
    if edge.manifest.authorizer_function is not None:
        caller = Caller(f"address {connection.source_ip}", still_waits)
        began_ms = edge.now_ms()
        decision = await _authorize(edge, connection, handshake, edge.manifest.authorizer_function, caller)
        if isinstance(decision, Refuse):
            return decision
        connection.authorizer = decision.context
        said = {"authorizer": decision.after(max(0, edge.now_ms() - began_ms))}
    function_name = edge.manifest.websocket_handlers.get(CONNECT)
    if function_name is None:
        return Accept()
    event = connect_event(edge.api, connection, handshake, edge.arrival())
    event["requestContext"] |= said
    outcome = await edge.invoke(function_name, event, Caller(connection.caller_key, still_waits))
    return decide_handshake(outcome, integration_timeout_s=edge.settings.limits.integration_timeout_s)


async def _authorize(
    edge: Edge, connection: Connection, handshake: Handshake, function_name: str, caller: Caller
) -> Allowed | Refuse:
    if missing_identity(edge.identity_sources, handshake):
        return UNAUTHORIZED
    event = authorizer_event(edge.api, connection, handshake, edge.arrival())
    outcome = await edge.invoke(function_name, event, caller)
    decision = judge(outcome, method_arn=event["methodArn"])
    if decision is FAILED and isinstance(outcome, Returned):
        edge.warn(NO_POLICY, authorizer=function_name)
    return decision


async def _converse(edge: Edge, session: WebSocketSession, answer: Accept, send: Send) -> Closure:
    """Accept the connection and serve it; return how it ended."""
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers]
    try:
        await send({"type": "websocket.accept", "subprotocol": answer.subprotocol, "headers": headers})
    except OSError:
        return _VANISHED
    connection = session.connection
    connection.opened(edge.now_ms())
    edge.sessions[connection.connection_id] = session
    edge.settings.log(
        "connection opened",
        {"connection_id": connection.connection_id, "from": connection.source_ip},
    )
    try:
        return await session.run()
    finally:
        connection.closed()
        del edge.sessions[connection.connection_id]


async def _refuse(edge: Edge, connection: Connection, refusal: Refuse, send: Send) -> None:
    """Answer the upgrade request with a status; the body is ours, none has been captured on AWS."""
    edge.settings.log(
        "connection refused",
        {"status": refusal.status, "reason": refusal.message, "from": connection.source_ip},
    )
    document = {
        "message": refusal.message,
        "connectionId": connection.connection_id,
        "requestId": new_id(),
    }
    headers = [(b"content-type", b"application/json"), (b"x-amzn-requestid", document["requestId"].encode())]
    if refusal.error_type is not None:
        headers.append((b"x-amzn-errortype", refusal.error_type.encode()))
    with contextlib.suppress(OSError):  # if the client did not wait for it
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": json.dumps(document).encode()})


def _handshake(scope: Scope, *, now_ms: int) -> Handshake:
    source_ip, source_port = scope["client"] or ("", 0)
    headers = with_forwarded(
        ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        source_ip=source_ip,
        port=scope["server"][1] if scope["server"] else source_port,
        is_tls=scope["scheme"] == "wss",
        now_ms=now_ms,
    )
    return Handshake(headers, scope["query_string"].decode("latin-1"), source_ip, now_ms)
