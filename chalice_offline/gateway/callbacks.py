"""The @connections management API as it is served: who may call it how often, and what a call does."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from chalice_offline.callers import is_made_by_a_browser, is_surely_a_programs
from chalice_offline.gateway.connections import DELETED, Phase
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.management import (
    GONE,
    LIMIT_EXCEEDED,
    NO_CONTENT,
    OK,
    TOO_LARGE,
    Deliver,
    Disconnect,
    decide,
    text_of,
)
from chalice_offline.gateway.responses import Response, error
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX, CallbackSignatures, discard
from chalice_offline.gateway.signatures import SignedRequest, refuse_unsigned, refuse_unverified
from chalice_offline.prompt_requests import PromptRequest

CONNECTIONS_PATH: Final = "/@connections/"
REQUEST_ID: Final = "x-amzn-RequestId"
"""The header that every answer has, each with another value."""


_FROM_A_BROWSER: Final = error(403, "ForbiddenException", "Forbidden: callbacks never come from a browser")


class Callbacks:
    """Answers management requests, none of which waits for anything."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._is_open = edge.settings.callback_signatures is CallbackSignatures.OPEN
        self.path = f"/{edge.settings.websocket_stage}{CONNECTIONS_PATH}"

    def respond(self, connection_id: str, request: PromptRequest) -> Response:
        """Do what is asked of a connection, and return the answer but for its ``REQUEST_ID``.

        ``connection_id``: percent-decoded.
        """
        response = self._refusal(request) or self._obey(connection_id, request)
        facts = {"method": request.method, "connection_id": connection_id, "status": response.status}
        self._edge.settings.log("callback", facts)
        return response

    def deliver(self, connection_id: str, requests: Sequence[PromptRequest]) -> bool:
        """Do what some requests ask of one connection, if they are the usual: posts of programs, to a client
        that is there and keeps up. Their frames leave in one piece, and each is answered with ``OK``.

        False, and nothing has been done, if ``respond`` has to judge each by itself.
        """
        edge = self._edge
        session = edge.sessions.get(connection_id)
        if session is None or session.connection.phase is not Phase.OPEN or not self._is_open:
            return False
        texts: list[str] = []
        for method, _, headers, named, body in requests:
            if method != "POST" or len(body) > MESSAGE_BYTES_MAX or not is_surely_a_programs(headers, named):
                return False
            texts.append(text_of(body))
        now_ms, bucket = edge.now_ms(), edge.callbacks
        if not bucket.take(now_ms, len(texts)):
            return False
        if not session.post_now(texts, now_ms):
            bucket.give_back(len(texts))
            return False
        if edge.settings.log is not discard:
            facts = {"method": "POST", "connection_id": connection_id, "status": OK.status}
            for _ in texts:
                edge.settings.log("callback", facts)
        return True

    def _refusal(self, request: PromptRequest) -> Response | None:
        """Judge the caller first, the signature, then the rate;
        a body not read to its end cannot be judged.
        """
        edge = self._edge
        if not is_surely_a_programs(request.headers, request.named):
            if is_made_by_a_browser(request.headers):
                return _FROM_A_BROWSER
            stranger = edge.stranger(request.headers)
            if stranger is not None:
                return error(403, "ForbiddenException", f"Forbidden: {stranger}")
        is_too_large = len(request.body) > MESSAGE_BYTES_MAX
        if not self._is_open and not is_too_large:
            refusal = self._judge_signature(request)
            if refusal is not None:
                return refusal
        if not edge.callbacks.take(edge.now_ms()):
            return LIMIT_EXCEEDED
        return TOO_LARGE if is_too_large else None

    def _judge_signature(self, request: PromptRequest) -> Response | None:
        settings = self._edge.settings
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        if settings.callback_signatures is CallbackSignatures.SIGNED:
            return refuse_unsigned(headers)
        signed = SignedRequest(request.method, request.target.decode("latin-1"), headers, request.body)
        now = datetime.fromtimestamp(self._edge.now_ms() / 1000, UTC)
        return refuse_unverified(signed, secrets=settings.credentials, region=settings.region, now=now)

    def _obey(self, connection_id: str, request: PromptRequest) -> Response:
        session = self._edge.sessions.get(connection_id)
        connection = None if session is None else session.connection
        match decide(request.method, connection_id, connection, request.body):
            case Deliver() as frame if session is not None:
                return OK if session.post(frame.text, frame.size) else LIMIT_EXCEEDED
            case Response() as response:
                return response
            case Disconnect() if session is not None:
                session.close_soon(DELETED)
                return NO_CONTENT
        return GONE
