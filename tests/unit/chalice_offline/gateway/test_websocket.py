"""A WebSocket request without a socket: who is asked before it is accepted, and who is told of its end."""

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest

from chalice_offline.gateway import GatewayLimits, GatewaySettings
from chalice_offline.gateway.connections import DELETED, Phase
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.protocol import FRAMES, GONE, HEAR, WRITE_NOW
from chalice_offline.gateway.websocket import serve_websocket
from chalice_offline.invocation import AppManifest, Outcome, Raised, Returned, TimedOut
from tests.unit.chalice_offline.gateway.a_session import FakeClient, settle
from tests.unit.chalice_offline.gateway.fakes import OK, ROUTES, Answer, FakeFunctions

ALLOWED = {"principalId": "ann", "context": {"plan": "free"}}
ALLOWED["policyDocument"] = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Upgrade:
    """A client that asks for a connection.

    Attributes:
        answered: The messages of the application that are the handshake's answer.
        is_lost: The client does not wait for the answer.
        logged: What the gateway told of it.
    """

    def __init__(
        self, functions: FakeFunctions, *, routes: Mapping[str, str] = ROUTES, **settings: Any
    ) -> None:
        self.client = FakeClient()
        self.client.said.put_nowait({"type": "websocket.connect"})
        self.answered: list[MutableMapping[str, Any]] = []
        self.is_lost = False
        self.logged: dict[str, Mapping[str, Any]] = {}
        guard = "guard" if "guard" in functions.answers else None
        manifest = AppManifest("app", websocket_handlers=routes, authorizer_function=guard)
        chosen = GatewaySettings(**{"log": self._log, **settings})
        self.edge = Edge.create(chosen, manifest, functions, port=3000)

    def _log(self, message: str, facts: Mapping[str, Any]) -> None:
        self.logged[message] = facts

    async def serve(self, path: str = "/ws", query: bytes = b"", **scope: Any) -> None:
        """Serve it until its end."""
        own = self.client.as_client()
        frames = {HEAR: own.hear, WRITE_NOW: own.write_now, GONE: own.gone}
        await serve_websocket(
            self.edge,
            {
                "extensions": {FRAMES: frames},
                "path": path,
                "raw_path": path.encode(),
                "query_string": query,
                "headers": [(b"Host", b"127.0.0.1:3000"), (b"User-Agent", b"wscat")],
                "client": ("127.0.0.1", 50_000),
                "server": ("127.0.0.1", 3000),
                "scheme": "ws",
                **scope,
            },
            self.client.said.get,
            self._send,
        )

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if self.is_lost:
            raise OSError
        if message["type"].startswith(("websocket.http", "websocket.accept")):
            self.answered.append(message)
        else:
            await self.client.send(message)

    @property
    def status(self) -> int:
        """Return the status of the handshake's answer."""
        first = self.answered[0]
        return 101 if first["type"] == "websocket.accept" else int(first["status"])

    @property
    def error_type(self) -> str | None:
        found = dict(self.answered[0]["headers"]).get(b"x-amzn-errortype")
        return None if found is None else found.decode()


def refused(functions: FakeFunctions, *, path: str = "/ws", **settings: Any) -> Upgrade:
    """Return a request that was not accepted."""

    async def scenario() -> Upgrade:
        upgrade = Upgrade(functions, **settings)
        upgrade.client.leave(1000)  # should it be accepted after all
        await upgrade.serve(path)
        return upgrade

    upgrade = asyncio.run(scenario())
    assert upgrade.edge.sessions == {}
    return upgrade


@pytest.mark.parametrize(
    ("path", "limits", "status", "error_type"),
    [
        ("/prod", {}, 403, "ForbiddenException"),
        ("/ws/room", {}, 403, "ForbiddenException"),
        ("/ws", {"url_chars_max": 3}, 414, None),
        ("/ws", {"connections_per_s": 0}, 429, "LimitExceededException"),
    ],
)
def test_request_that_no_function_needs_to_see_is_refused_before_any(
    path: str, limits: dict[str, Any], status: int, error_type: str | None
) -> None:
    functions = FakeFunctions(guard=Returned(ALLOWED))
    upgrade = refused(functions, path=path, limits=GatewayLimits(**limits))
    assert (upgrade.status, upgrade.error_type, functions.events) == (status, error_type, [])


def test_refusal_says_what_it_was_and_whose_and_is_logged() -> None:
    upgrade = refused(FakeFunctions(connect=Returned({"statusCode": 418})))
    start, body = upgrade.answered
    document = json.loads(body["body"])
    assert (start["status"], document["message"]) == (418, "I'm a Teapot")
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-amzn-requestid"].decode() == document["requestId"]
    assert document["connectionId"] != document["requestId"]
    assert upgrade.logged["connection refused"] == {
        "status": 418,
        "reason": "I'm a Teapot",
        "from": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Returned({"statusCode": 299}), 101),
        (Returned({"statusCode": 300}), 300),
        (Raised("E", "x"), 502),
        (TimedOut(28), 502),
        (TimedOut(29), 504),
    ],
)
def test_outcome_of_connect_decides_what_the_client_is_answered(outcome: Outcome, status: int) -> None:
    async def scenario() -> int:
        upgrade = Upgrade(FakeFunctions(connect=outcome))
        upgrade.client.leave(1000)
        await upgrade.serve()
        return upgrade.status

    assert asyncio.run(scenario()) == status


def test_gateway_that_stops_refuses_with_503() -> None:
    async def scenario() -> int:
        upgrade = Upgrade(FakeFunctions())
        upgrade.edge.stopping = True
        upgrade.client.leave(1000)
        await upgrade.serve()
        return upgrade.status

    assert asyncio.run(scenario()) == 503


def test_page_of_another_origin_is_refused_before_any_function_sees_it() -> None:
    async def scenario() -> tuple[int, str | None, list[Any]]:
        functions = FakeFunctions()
        upgrade = Upgrade(functions)
        upgrade.client.leave(1000)
        page = [(b"Host", b"127.0.0.1:3000"), (b"Origin", b"http://page.example")]
        await upgrade.serve(headers=page)
        return upgrade.status, upgrade.error_type, functions.events

    assert asyncio.run(scenario()) == (403, "ForbiddenException", [])


def test_url_is_as_long_as_path_question_mark_and_query() -> None:
    async def scenario(query: bytes) -> int:
        upgrade = Upgrade(FakeFunctions(), limits=GatewayLimits(url_chars_max=8))
        upgrade.client.leave(1000)
        await upgrade.serve(query=query)
        return upgrade.status

    assert [asyncio.run(scenario(query)) for query in (b"a=12", b"a=123")] == [101, 414]


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
def test_connection_is_open_from_its_answer_to_its_end_and_all_are_told(path: str) -> None:
    async def scenario() -> tuple[Upgrade, FakeFunctions]:
        functions = FakeFunctions(guard=Returned(ALLOWED))
        upgrade = Upgrade(functions)
        serving = asyncio.create_task(upgrade.serve(path))
        await settle()
        ((id_, session),) = upgrade.edge.sessions.items()
        phases = [session.connection.phase]
        upgrade.client.say("1")
        await settle()
        upgrade.client.leave(4001, "bye")
        await serving
        assert upgrade.edge.sessions == {}
        assert [*phases, session.connection.phase] == [Phase.OPEN, Phase.CLOSED]
        ids = {event["requestContext"]["connectionId"] for _, event in functions.events}
        assert ids == {id_}
        return upgrade, functions

    upgrade, functions = asyncio.run(scenario())
    assert [name for name, _ in functions.events] == ["guard", "connect", "message", "disconnect"]
    plans = [event["requestContext"].get("authorizer", {}).get("plan") for _, event in functions.events]
    assert plans == [None, "free", "free", "free"]
    context = functions.events[-1][1]["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")
    # Whose turn each takes: an authorizer does not know who it is.
    assert [caller.key for caller in functions.callers] == ["address 127.0.0.1", *["principal ann"] * 3]
    facts = dict(upgrade.logged["connection closed"])
    assert 0 <= facts.pop("open_s") < 60
    assert facts == {"connection_id": context["connectionId"], "code": 4001, "reason": "bye"}
    assert upgrade.logged["connection opened"]["from"] == "127.0.0.1"


def test_api_without_connect_and_disconnect_accepts_every_client_and_tells_no_function() -> None:
    async def scenario() -> tuple[int, list[Any]]:
        functions = FakeFunctions()
        upgrade = Upgrade(functions, routes={"$default": "message"})
        upgrade.client.leave(1000)
        await upgrade.serve()
        return upgrade.status, functions.events

    assert asyncio.run(scenario()) == (101, [])


@pytest.mark.parametrize("waits_at", ["guard", "connect"])
def test_caller_of_a_handshake_waits_no_longer_once_its_client_has_gone(waits_at: str) -> None:
    async def scenario() -> list[bool]:
        release = asyncio.Event()

        async def slow(_event: Mapping[str, Any]) -> Outcome:
            await release.wait()
            return Returned({"statusCode": 403})

        answers: dict[str, Answer | Outcome] = {"guard": Returned(ALLOWED), waits_at: slow}
        functions = FakeFunctions(**answers)
        upgrade = Upgrade(functions)
        serving = asyncio.create_task(upgrade.serve())
        await functions.wait_for(waits_at)
        caller = functions.callers[-1]
        waited = caller.still_waits()
        upgrade.client.gone.set()
        release.set()
        await serving
        return [waited, caller.still_waits()]

    assert asyncio.run(scenario()) == [True, False]


def test_client_that_is_lost_before_it_is_accepted_is_disconnected_with_1006() -> None:
    async def scenario() -> Any:
        functions = FakeFunctions()
        upgrade = Upgrade(functions)
        upgrade.is_lost = True
        await upgrade.serve()
        assert upgrade.edge.sessions == {}
        assert "connection opened" not in upgrade.logged
        (event,) = functions.events_of("disconnect")
        return event["requestContext"]["disconnectStatusCode"], event["requestContext"]["disconnectReason"]

    assert asyncio.run(scenario()) == (1006, "")


def test_client_that_does_not_wait_for_its_refusal_is_no_failure() -> None:
    async def scenario() -> list[str]:
        functions = FakeFunctions(connect=Returned({"statusCode": 403}))
        upgrade = Upgrade(functions)
        upgrade.is_lost = True
        await upgrade.serve()
        return [name for name, _ in functions.events]

    assert asyncio.run(scenario()) == ["connect"]


def test_session_that_fails_is_no_longer_there_to_be_called() -> None:
    async def scenario() -> Mapping[str, Any]:
        upgrade = Upgrade(FakeFunctions())
        serving = asyncio.create_task(upgrade.serve())
        await settle()
        (session,) = upgrade.edge.sessions.values()
        upgrade.client.said.put_nowait({})
        with pytest.raises(KeyError):
            await serving
        assert session.connection.phase is Phase.CLOSED
        return upgrade.edge.sessions

    assert asyncio.run(scenario()) == {}


def test_connection_that_is_deleted_is_disconnected_with_1000() -> None:
    async def scenario() -> Any:
        functions = FakeFunctions()
        upgrade = Upgrade(functions)
        serving = asyncio.create_task(upgrade.serve())
        await settle()
        (session,) = upgrade.edge.sessions.values()
        session.close_soon(DELETED)
        await settle()
        assert upgrade.client.closures == [DELETED]
        upgrade.client.leave(DELETED.code, DELETED.reason)
        await serving
        return functions.events_of("disconnect")[0]["requestContext"]["disconnectStatusCode"]

    assert asyncio.run(scenario()) == 1000


def test_headers_and_protocol_of_connect_are_the_handshakes() -> None:
    async def scenario() -> MutableMapping[str, Any]:
        answer = {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat", "X-Name": "\xe9\u20ac"}}
        upgrade = Upgrade(FakeFunctions(connect=Returned(answer)))
        upgrade.client.leave(1000)
        await upgrade.serve()
        return upgrade.answered[0]

    accepted = asyncio.run(scenario())
    assert accepted["subprotocol"] == "chat"
    assert accepted["headers"] == [(b"X-Name", b"\xe9?")]


@pytest.mark.parametrize(("scheme", "protocol"), [("ws", "http"), ("wss", "https")])
def test_what_a_request_came_by_is_told_to_connect(scheme: str, protocol: str) -> None:
    async def scenario(**scope: Any) -> Mapping[str, Any]:
        functions = FakeFunctions(connect=OK)
        upgrade = Upgrade(functions)
        upgrade.client.leave(1000)
        await upgrade.serve(query=b"a=%20", scheme=scheme, **scope)
        return functions.events_of("connect")[0]

    event = asyncio.run(scenario())
    assert event["headers"]["X-Forwarded-Port"] == "3000"
    assert event["headers"]["X-Forwarded-Proto"] == protocol
    assert event["queryStringParameters"] == {"a": " "}
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "wscat"}
    # Of a socket that says neither who is there nor where it listens.
    assert asyncio.run(scenario(client=None, server=None))["headers"]["X-Forwarded-Port"] == "0"
