"""The upgrade request, and what becomes of it once ``$connect`` has answered.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
for the pending upgrade; the statuses are those captured on AWS: 2xx accepts, any other status is handed on to
the client, an exception is 502.
"""

import http
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from chalice_offline.gateway.outcomes import (
    INTERNAL_SERVER_ERROR,
    IntegrationFailure,
    answer_headers,
    integration_answer,
    is_sendable,
)
from chalice_offline.invocation import Outcome

# The handshake's own headers are the server's; an answer cannot set them.
_SERVER_OWN: Final = frozenset(
    {"connection", "upgrade", "content-length", "transfer-encoding", "date", "server"}
    | {"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol"}
)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Handshake:
    """An upgrade request as it arrived: header names in the client's own case."""

    headers: Headers
    query_string: str
    source_ip: str
    received_ms: int

    def header(self, name: str) -> str | None:
        """Return the last value of a header, whatever the case of its name."""
        lowered = name.lower()
        return next((value for key, value in reversed(self.headers) if key.lower() == lowered), None)

    def query(self) -> list[tuple[str, str]]:
        """Return the query's names and values, decoded, in order."""
        return parse_qsl(self.query_string, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer 101. Without ``subprotocol`` no ``Sec-WebSocket-Protocol`` header is sent, as on AWS."""

    subprotocol: str | None = None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this status; no connection comes to be.

    Attributes:
        error_type: Of a refusal that is API Gateway's own, what it says of it in ``x-amzn-ErrorType``.
    """

    status: int
    message: str
    error_type: str | None = None


def decide_handshake(outcome: Outcome, *, integration_timeout_s: float) -> Accept | Refuse:
    """Turn the outcome of ``$connect`` into the answer to the upgrade request."""
    answer = integration_answer(outcome, integration_timeout_s=integration_timeout_s)
    if isinstance(answer, IntegrationFailure):
        return Refuse(answer.status, answer.message)
    if answer.status >= 300:
        return Refuse(answer.status, _phrase(answer.status))
    found = answer_headers(answer.payload)
    if found is None:
        return Refuse(502, INTERNAL_SERVER_ERROR)
    headers = [header for header in (*found[0], *found[1]) if is_sendable(*header)]
    subprotocol = next((v for k, v in headers if k.lower() == "sec-websocket-protocol"), None)
    return Accept(subprotocol, tuple((k, v) for k, v in headers if k.lower() not in _SERVER_OWN))


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
