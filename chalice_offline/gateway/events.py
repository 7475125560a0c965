"""The events that WebSocket functions receive, field for field as captured on AWS.

Which fields exist depends on the event type: a MESSAGE has no headers, only it has a ``messageId``, and only
a DISCONNECT says why. Captures: https://gist.github.com/noid11/4aa8933d0b5cdbcc09d377c5d65d28c1, and the
model in aws-lambda-powertools ``utilities/parser/models/apigw_websocket.py``.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from chalice_offline.gateway.connections import Closure, Connection
from chalice_offline.gateway.handshake import Handshake, Headers
from chalice_offline.gateway.routing import CONNECT, DISCONNECT

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A CONNECT event shows what the client sent about itself, without what asked for the upgrade.
_HOP_BY_HOP: Final = frozenset({"connection", "upgrade"})

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApiIdentity:
    """What names the emulated API in events and ARNs."""

    api_id: str
    account_id: str
    region: str
    stage: str
    domain_name: str

    def method_arn(self, route_key: str) -> str:
        return f"arn:aws:execute-api:{self.region}:{self.account_id}:{self.api_id}/{self.stage}/{route_key}"


class Arrival(NamedTuple):
    """When something arrived, and the id it was given."""

    request_id: str
    now_ms: int


def connect_event(api: ApiIdentity, connection: Connection, handshake: Handshake, arrival: Arrival) -> Event:
    """Return the event of ``$connect``."""
    headers = tuple((name, value) for name, value in handshake.headers if name.lower() not in _HOP_BY_HOP)
    return {
        **_header_fields(headers),
        **_query_fields(handshake),
        "requestContext": _request_context(api, connection, arrival, CONNECT, "CONNECT"),
        "isBase64Encoded": False,
    }


def authorizer_event(
    api: ApiIdentity, connection: Connection, handshake: Handshake, arrival: Arrival
) -> Event:
    """Return the event of a REQUEST authorizer (apigateway-websocket-api-lambda-auth.html).

    Unlike a CONNECT event it always has query parameters, and all of the headers.
    """
    return {
        "type": "REQUEST",
        "methodArn": api.method_arn(CONNECT),
        **_header_fields(handshake.headers),
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        **_query_fields(handshake),
        "stageVariables": {},
        "requestContext": _request_context(api, connection, arrival, CONNECT, "CONNECT"),
    }


def message_event(
    api: ApiIdentity, connection: Connection, arrival: Arrival, *, route_key: str, message_id: str, body: str
) -> Event:
    """Return the event of a message; it has neither headers nor query."""
    context = _request_context(api, connection, arrival, route_key, "MESSAGE")
    context["messageId"] = message_id
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(api: ApiIdentity, connection: Connection, arrival: Arrival, closure: Closure) -> Event:
    """Return the event of ``$disconnect``, with the few, mostly empty headers that AWS gives it."""
    context = _request_context(api, connection, arrival, DISCONNECT, "DISCONNECT")
    context["disconnectStatusCode"] = closure.code
    context["disconnectReason"] = closure.reason
    headers = (("Host", api.domain_name), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", ""))
    return {**_header_fields(headers), "requestContext": context, "isBase64Encoded": False}


def request_time(now_ms: int) -> str:
    """Return a time in the common log format, in UTC: ``19/Feb/2024:07:11:42 +0000``."""
    return _log_time(now_ms // 1000)


@lru_cache(maxsize=2)
def _log_time(epoch_s: int) -> str:
    at = time.gmtime(epoch_s)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{clock} +0000"


def _request_context(
    api: ApiIdentity, connection: Connection, arrival: Arrival, route_key: str, event_type: str
) -> Event:
    context: Event = {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": arrival.request_id,
        "requestTime": request_time(arrival.now_ms),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": connection.connected_at_ms,
        "requestTimeEpoch": arrival.now_ms,
        "identity": {"sourceIp": connection.source_ip},
        "requestId": arrival.request_id,
        "domainName": api.domain_name,
        "connectionId": connection.connection_id,
        "apiId": api.api_id,
    }
    if connection.user_agent is not None:
        context["identity"]["userAgent"] = connection.user_agent
    if connection.authorizer is not None:
        context["authorizer"] = dict(connection.authorizer)
    return context


def _header_fields(headers: Headers) -> Event:
    return {"headers": dict(headers), "multiValueHeaders": grouped(headers)}


def _query_fields(handshake: Handshake) -> Event:
    pairs = handshake.query()
    if not pairs:
        return {}
    return {"queryStringParameters": dict(pairs), "multiValueQueryStringParameters": grouped(pairs)}


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return all values of each name, in their order."""
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
