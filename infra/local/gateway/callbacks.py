"""The @connections management API as it is served: who may call it how often, and what a call does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infra.local.gateway.connections import DELETED
from infra.local.gateway.edge import Edge
from infra.local.gateway.management import (
    GONE,
    LIMIT_EXCEEDED,
    NO_CONTENT,
    OK,
    TOO_LARGE,
    UNSIGNED,
    Deliver,
    Disconnect,
    decide,
    is_signed,
)
from infra.local.gateway.responses import Response
from infra.local.gateway.settings import MESSAGE_BYTES_MAX

CONNECTIONS_PATH: Final = "/@connections/"


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A request to ``@connections/{connection_id}``.

    Attributes:
        connection_id: Percent-decoded.
        headers: Names in any case.
        body: Complete, or its beginning if it is longer than ``MESSAGE_BYTES_MAX``: one byte more at least.
    """

    method: str
    connection_id: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Callbacks:
    """Answers management requests, none of which waits for anything."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.path = f"/{edge.settings.websocket_stage}{CONNECTIONS_PATH}"

    def respond(self, request: CallbackRequest) -> Response:
        """Do what is asked, and return the answer."""
        return self._refusal(request) or self._obey(request)

    def _refusal(self, request: CallbackRequest) -> Response | None:
        edge = self._edge
        if edge.settings.signed_callbacks_only and not is_signed(_authorization(request)):
            return UNSIGNED
        if not edge.callbacks.take(edge.now_ms()):
            return LIMIT_EXCEEDED
        return TOO_LARGE if len(request.body) > MESSAGE_BYTES_MAX else None

    def _obey(self, request: CallbackRequest) -> Response:
        session = self._edge.sessions.get(request.connection_id)
        connection = None if session is None else session.connection
        match decide(request.method, request.connection_id, connection, request.body):
            case Response() as response:
                return response
            case Deliver(text, size) if session is not None:
                return OK if session.post(text, size) else LIMIT_EXCEEDED
            case Disconnect() if session is not None:
                session.close_soon(DELETED)
                return NO_CONTENT
        return GONE


def _authorization(request: CallbackRequest) -> str | None:
    values = (value for name, value in request.headers if name.lower() == b"authorization")
    return next((value.decode("latin-1") for value in values), None)
