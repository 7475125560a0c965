"""Posts that came together: they leave in one piece only where each by itself would be obeyed."""

from collections.abc import Sequence
from typing import Any

import pytest

from chalice_offline.callers import by_name
from chalice_offline.gateway import GatewayLimits, GatewaySettings
from chalice_offline.gateway.callbacks import Callbacks
from chalice_offline.gateway.connections import Closure, Connection, Phase
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX, CallbackSignatures
from chalice_offline.invocation import AppManifest
from chalice_offline.prompt_requests import PromptRequest
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions

ID = "TXzPWdnOjoECGjA="
SIGNED, VERIFIED = CallbackSignatures.SIGNED, CallbackSignatures.VERIFIED


class FakeSession:
    """A client that keeps up, whatever the phase of its connection."""

    keeps_up = True

    def __init__(self, phase: Phase) -> None:
        self.connection = Connection(ID, 0, 0, "127.0.0.1", None, phase=phase)
        self.texts: list[str] = []

    def post(self, text: str, size: int) -> bool:  # noqa: ARG002  # it keeps up
        self.texts.append(text)
        return True

    def post_now(self, texts: Sequence[str], now_ms: int) -> bool:  # noqa: ARG002  # nothing is timed
        if self.keeps_up:
            self.texts += texts
        return self.keeps_up

    async def close(self, closure: Closure) -> None:
        raise AssertionError(closure)

    def close_soon(self, closure: Closure) -> None:  # noqa: ARG002  # its frame is still to leave
        self.connection.closed()


def callbacks_of(session: FakeSession, **settings: Any) -> Callbacks:
    edge = Edge.create(GatewaySettings(**settings), AppManifest("app"), FakeFunctions(), port=3000)
    edge.sessions[ID] = session
    return Callbacks(edge)


def a_request(text: str, method: str = "POST") -> PromptRequest:
    headers = [(b"host", b"localhost")]
    return PromptRequest(method, b"/ws/@connections/" + ID.encode(), headers, by_name(headers), text.encode())


def test_posts_to_a_client_that_is_there_are_delivered_together() -> None:
    session = FakeSession(Phase.OPEN)
    assert callbacks_of(session).deliver(ID, [a_request("a"), a_request("b")])
    assert session.texts == ["a", "b"]


@pytest.mark.parametrize("signatures", [SIGNED, VERIFIED])
def test_unsigned_post_is_refused_though_its_client_is_there(signatures: CallbackSignatures) -> None:
    session = FakeSession(Phase.OPEN)
    callbacks = callbacks_of(session, callback_signatures=signatures)
    assert not callbacks.deliver(ID, [a_request("a")])
    assert callbacks.respond(ID, a_request("a")).status == 403
    assert session.texts == []


@pytest.mark.parametrize("phase", [Phase.CONNECTING, Phase.CLOSED])
def test_post_is_410_while_the_client_is_not_yet_there_or_its_close_frame_is_to_leave(phase: Phase) -> None:
    session = FakeSession(phase)
    callbacks = callbacks_of(session)
    assert not callbacks.deliver(ID, [a_request("a")])
    assert callbacks.respond(ID, a_request("a")).status == 410
    assert session.texts == []


def test_post_behind_a_delete_is_410() -> None:
    session = FakeSession(Phase.OPEN)
    callbacks = callbacks_of(session)
    together = [a_request("", "DELETE"), a_request("a")]
    assert not callbacks.deliver(ID, together)
    assert [callbacks.respond(ID, request).status for request in together] == [204, 410]


def test_post_beyond_128_kb_keeps_those_that_came_with_it_from_leaving_in_one_piece() -> None:
    session = FakeSession(Phase.OPEN)
    callbacks = callbacks_of(session)
    assert callbacks.deliver(ID, [a_request("x" * MESSAGE_BYTES_MAX)])
    assert not callbacks.deliver(ID, [a_request("a"), a_request("x" * (MESSAGE_BYTES_MAX + 1))])
    assert [len(text) for text in session.texts] == [MESSAGE_BYTES_MAX]


def test_posts_beyond_the_account_limit_are_429_however_many_come_together() -> None:
    session = FakeSession(Phase.OPEN)
    callbacks = callbacks_of(session, limits=GatewayLimits(request_burst=2, requests_per_s=0))
    assert not callbacks.deliver(ID, [a_request(text) for text in "abc"])
    assert [callbacks.respond(ID, a_request(text)).status for text in "abc"] == [200, 200, 429]
    assert not callbacks.deliver(ID, [a_request("d")])
    assert session.texts == ["a", "b"]


def test_posts_that_cannot_leave_in_one_piece_count_once() -> None:
    session = FakeSession(Phase.OPEN)
    session.keeps_up = False
    callbacks = callbacks_of(session, limits=GatewayLimits(request_burst=2, requests_per_s=0))
    assert not callbacks.deliver(ID, [a_request("a"), a_request("b")])
    assert [callbacks.respond(ID, a_request(text)).status for text in "ab"] == [200, 200]


def test_post_beyond_128_kb_is_413_whatever_its_signature_as_its_end_was_not_read() -> None:
    callbacks = callbacks_of(FakeSession(Phase.OPEN), callback_signatures=VERIFIED)
    assert callbacks.respond(ID, a_request("x" * (MESSAGE_BYTES_MAX + 1))).status == 413
