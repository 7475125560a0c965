"""Posts that came together: they leave in one piece only where each by itself would be obeyed."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

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
    has_room = True

    def __init__(self, phase: Phase) -> None:
        self.connection = Connection(ID, 0, 0, "127.0.0.1", None, phase=phase)
        self.texts: list[str] = []

    def post(self, text: str, size: int) -> bool:
        assert size == len(text.encode())
        if self.has_room:
            self.texts.append(text)
        return self.has_room

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


def a_request(
    text: str, method: str = "POST", *more: tuple[bytes, bytes], host: bytes = b"localhost"
) -> PromptRequest:
    headers = [(b"host", host), *more]
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


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_connection_that_is_not_there_is_410_and_what_is_no_id_400(method: str) -> None:
    callbacks = callbacks_of(FakeSession(Phase.OPEN))
    statuses = [callbacks.respond(each, a_request("", method)).status for each in ("JC1dgf9yoAMCK-g=", "x")]
    assert statuses == [410, 400]
    assert not callbacks.deliver("JC1dgf9yoAMCK-g=", [a_request("a")])


def test_client_for_which_too_much_waits_is_429() -> None:
    session = FakeSession(Phase.OPEN)
    session.has_room = False
    response = callbacks_of(session).respond(ID, a_request("a"))
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (429, "LimitExceededException")


@pytest.mark.parametrize("sign", [(b"origin", b"http://localhost:3000"), (b"sec-fetch-site", b"none")])
def test_callback_of_a_browser_is_refused_whichever_its_page_and_takes_nothing_of_the_rate(
    sign: tuple[bytes, bytes],
) -> None:
    session = FakeSession(Phase.OPEN)
    callbacks = callbacks_of(session, limits=GatewayLimits(request_burst=1, requests_per_s=0))
    request = a_request("page", "POST", sign)
    assert not callbacks.deliver(ID, [request])
    assert callbacks.respond(ID, request).status == 403
    assert callbacks.respond(ID, a_request("program")).status == 200
    assert session.texts == ["program"]


def test_callback_for_another_host_is_refused_unless_that_is_allowed() -> None:
    request = a_request("a", host=b"app.test")
    refused, allowed = FakeSession(Phase.OPEN), FakeSession(Phase.OPEN)
    response = callbacks_of(refused).respond(ID, request)
    assert (response.status, b"Forbidden: Host" in response.body) == (403, True)
    assert callbacks_of(allowed, allowed_hosts=frozenset({"app.test"})).respond(ID, request).status == 200
    assert (refused.texts, allowed.texts) == ([], ["a"])


def test_signed_post_is_taken_where_any_signature_is_enough() -> None:
    session = FakeSession(Phase.OPEN)
    signature = (
        b"AWS4-HMAC-SHA256 Credential=AKIA/20261129/us-east-1/execute-api/aws4_request, "
        b"SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
    )
    request = a_request("a", "POST", (b"Authorization", signature), (b"X-Amz-Date", b"20261129T000000Z"))
    callbacks = callbacks_of(session, callback_signatures=SIGNED)
    assert not callbacks.deliver(ID, [request])
    assert callbacks.respond(ID, request).status == 200
    assert session.texts == ["a"]


@pytest.mark.parametrize(("secret", "status"), [("secret", 200), ("another", 403)])
def test_post_is_taken_with_the_signature_of_a_known_key_alone(secret: str, status: int) -> None:
    session = FakeSession(Phase.OPEN)
    made = AWSRequest(method="POST", url=f"http://localhost/ws/@connections/{ID}", data=b"a")
    SigV4Auth(Credentials("AKID", secret), "execute-api", "us-east-1").add_auth(made)
    headers = [(name.encode(), value.encode()) for name, value in made.headers.items()]
    callbacks = callbacks_of(session, callback_signatures=VERIFIED, credentials={"AKID": "secret"})
    assert callbacks.respond(ID, a_request("a", "POST", *headers)).status == status
    assert session.texts == (["a"] if status == 200 else [])


def test_post_of_128_kb_is_taken_by_itself() -> None:
    session = FakeSession(Phase.OPEN)
    assert callbacks_of(session).respond(ID, a_request("x" * MESSAGE_BYTES_MAX)).status == 200


def test_post_beyond_128_kb_takes_of_the_rate_and_one_beyond_that_is_429() -> None:
    callbacks = callbacks_of(FakeSession(Phase.OPEN), limits=GatewayLimits(request_burst=1, requests_per_s=0))
    large = a_request("x" * (MESSAGE_BYTES_MAX + 1))
    assert [callbacks.respond(ID, large).status for _ in range(2)] == [413, 429]


def test_each_callback_is_logged_whether_it_came_alone_or_with_others() -> None:
    logged: list[tuple[str, object]] = []
    callbacks = callbacks_of(FakeSession(Phase.OPEN), log=lambda *entry: logged.append(entry))
    assert callbacks.deliver(ID, [a_request("a"), a_request("b")])
    callbacks.respond(ID, a_request("", "DELETE"))
    posted = ("callback", {"method": "POST", "connection_id": ID, "status": 200})
    assert logged == [posted, posted, ("callback", {"method": "DELETE", "connection_id": ID, "status": 204})]


def test_request_whose_end_was_not_read_is_not_obeyed_unsigned() -> None:
    session = FakeSession(Phase.OPEN)
    large = a_request("x" * (MESSAGE_BYTES_MAX + 1), "DELETE")
    assert callbacks_of(session, callback_signatures=VERIFIED).respond(ID, large).status == 413
    assert session.connection.phase is Phase.OPEN
