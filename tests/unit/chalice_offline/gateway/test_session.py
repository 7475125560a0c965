"""An open connection: which messages are handled, in which order, what their sender is told, and its end."""

import asyncio
import gc
import json
import weakref
from collections.abc import Mapping
from typing import Any

import pytest

from chalice_offline.gateway import GatewayLimits, MessageOrder
from chalice_offline.gateway.connections import BINARY_FRAME, DELETED, SHUT_DOWN, Closure, Phase
from chalice_offline.gateway.edge import Edge
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut
from tests.unit.chalice_offline.gateway.a_session import HeldFunctions, a_session, settle

ONE_AT_ONCE = GatewayLimits(messages_in_flight_max=1)
BOTH_ORDERS = pytest.mark.parametrize("order", [MessageOrder.CONCURRENT, MessageOrder.SERIAL])


def test_message_does_not_overtake_one_that_is_about_to_wait_for_its_turn() -> None:
    async def scenario() -> list[str]:
        functions = HeldFunctions()
        async with a_session(functions, limits=ONE_AT_ONCE) as opened:
            client = opened.client
            client.say("1")
            client.say("2")

            def in_the_same_turn() -> None:
                # The second has been received, and has not come to wait for a slot yet.
                functions.end(0)
                client.say("3")

            asyncio.get_running_loop().call_soon(in_the_same_turn)
            await settle()
            functions.end(1)
            await settle()
        return functions.bodies

    assert asyncio.run(scenario()) == ["1", "2", "3"]


def test_messages_that_waited_are_handled_in_order_and_later_ones_at_once_again() -> None:
    async def scenario() -> list[str]:
        functions = HeldFunctions()
        async with a_session(functions, limits=ONE_AT_ONCE) as opened:
            for text in "123":
                opened.client.say(text)
            for place in range(3):
                assert len(functions.begun) == place + 1
                functions.end(place)
                await settle()
            assert len(asyncio.all_tasks()) == 2, "this one, and the session's"
            opened.client.say("4")
            assert len(functions.begun) == 4, "without a turn of the event loop"
            functions.end(3)
            assert opened.slots.free == 1
        return functions.bodies

    assert asyncio.run(scenario()) == ["1", "2", "3", "4"]


def test_serial_messages_are_handled_one_by_one_each_after_the_other_has_ended() -> None:
    async def scenario() -> list[int]:
        functions, begun = HeldFunctions(), []
        async with a_session(functions, message_order=MessageOrder.SERIAL) as opened:
            for text in "123":
                opened.client.say(text)
            for place in range(3):
                await settle()
                begun.append(len(functions.begun))
                functions.end(place)
            await settle()
        assert functions.bodies == ["1", "2", "3"]
        return begun

    assert asyncio.run(scenario()) == [1, 2, 3]


@BOTH_ORDERS
def test_message_that_waits_as_its_client_leaves_and_all_behind_it_are_dropped(order: MessageOrder) -> None:
    async def scenario() -> list[str]:
        functions = HeldFunctions()
        async with a_session(functions, limits=ONE_AT_ONCE, message_order=order) as opened:
            for text in "12":
                opened.client.say(text)
            await settle()
            opened.client.gone.set()
            await settle()
            functions.end(0)
            await settle()
            opened.client.say("3")
            opened.client.leave(1000)
            await settle()
            assert opened.closure == Closure(1000, "")
            assert opened.slots.free == 1
        return functions.bodies

    assert asyncio.run(scenario()) == ["1"]


def test_message_gets_no_slot_though_one_becomes_free_as_its_client_leaves() -> None:
    async def scenario() -> list[str]:
        functions = HeldFunctions()
        async with a_session(functions, limits=ONE_AT_ONCE) as opened:
            for text in "12":
                opened.client.say(text)
            await settle()
            functions.end(0)
            opened.client.gone.set()
            await settle()
            assert opened.slots.free == 1
        return functions.bodies

    assert asyncio.run(scenario()) == ["1"]


def test_session_that_is_cancelled_while_a_message_waits_keeps_no_slot() -> None:
    async def scenario() -> int:
        functions = HeldFunctions()
        async with a_session(functions, limits=ONE_AT_ONCE) as opened:
            for text in "12":
                opened.client.say(text)
            await settle()
            slots = opened.slots
        functions.end(0)
        return slots.free

    assert asyncio.run(scenario()) == 1


def test_caller_of_a_message_waits_no_longer_once_its_connection_is_closed_or_its_client_has_gone() -> None:
    async def scenario() -> list[bool]:
        waits = []
        for ends in ("client", "gateway"):
            functions = HeldFunctions()
            async with a_session(functions) as opened:
                opened.client.say("1")
                ((_, caller, _),) = functions.begun
                waits.append(caller.still_waits())
                if ends == "client":
                    opened.client.gone.set()
                else:
                    opened.session.close_soon(DELETED)
                waits.append(caller.still_waits())
        return waits

    assert asyncio.run(scenario()) == [True, False, True, False]


@BOTH_ORDERS
def test_message_without_a_route_is_forbidden_and_takes_no_slot(order: MessageOrder) -> None:
    async def scenario() -> tuple[list[str], list[str], list[str]]:
        functions, told = HeldFunctions(), list[str]()
        session = a_session(
            functions,
            routes={"go": "message"},
            limits=ONE_AT_ONCE,
            message_order=order,
            log=lambda message, _: told.append(message),
        )
        async with session as opened:
            for text in ("1", '{"action":"stay"}', '{"action":"go"}'):
                opened.client.say(text)
            await settle()
            return functions.bodies, [json.loads(text)["message"] for text in opened.client.texts], told

    bodies, frames, told = asyncio.run(scenario())
    assert (bodies, frames) == (['{"action":"go"}'], ["Forbidden", "Forbidden"])
    assert told == ["message without a route"] * 2


@pytest.mark.parametrize("body", ["\N{EURO SIGN}" * 300, "\N{CHART WITH UPWARDS TREND}" * 225])
def test_answer_counts_by_its_bytes_against_what_may_wait_for_a_client(body: str) -> None:
    assert len(body.encode()) == 900

    async def scenario() -> list[str]:
        functions, told = HeldFunctions(), list[str]()
        limits = GatewayLimits(outbound_bytes_max=2_000)
        session = a_session(
            functions,
            limits=limits,
            route_responses=frozenset({"$default"}),
            log=lambda message, _: told.append(message),
        )
        async with session as opened:
            opened.client.reads.clear()
            for number in range(3):
                opened.client.say(f"{number}")
                functions.end(number, Returned({"statusCode": 200, "body": body}))
            assert told.count("answer dropped") == 1
            opened.client.reads.set()
            await settle()
            return opened.client.texts

    assert asyncio.run(scenario()) == [body, body]


def test_what_becomes_of_a_message_is_told_to_its_sender_and_logged() -> None:
    async def scenario() -> tuple[list[dict[str, str]], list[Mapping[str, Any]], list[str]]:
        functions, told = HeldFunctions(), list[Mapping[str, Any]]()

        def note(message: str, facts: Mapping[str, Any]) -> None:
            if message == "message":
                told.append(facts)

        async with a_session(functions, log=note) as opened:
            outcomes: list[Outcome] = [
                Raised("ValueError", "no"),
                TimedOut(29),
                Returned({"statusCode": 200, "body": "x"}),
            ]
            for place, outcome in enumerate(outcomes):
                opened.client.say("1")
                functions.end(place, outcome)
            ids = [event["requestContext"]["requestId"] for event, _, _ in functions.begun]
            return [json.loads(text) for text in opened.client.texts], told, ids

    frames, told, ids = asyncio.run(scenario())
    assert [frame["message"] for frame in frames] == ["Internal server error", "Endpoint request timed out"]
    assert [frame["requestId"] for frame in frames] == ids[:2]
    assert [facts["outcome"] for facts in told] == ["raised", "timedout", "returned"]
    assert all(facts["route"] == "$default" and 0 <= facts["duration_ms"] < 60_000 for facts in told)


def test_binary_frame_closes_with_1003_and_nothing_behind_it_is_handled() -> None:
    async def scenario() -> tuple[list[Closure], list[str]]:
        functions = HeldFunctions()
        async with a_session(functions) as opened:
            opened.client.say_bytes(b"1")
            opened.client.say("2")
            await settle()
            opened.client.say("3")
            await settle()
            assert opened.session.connection.phase is Phase.CLOSED
            return opened.client.closures, functions.bodies

    assert asyncio.run(scenario()) == ([BINARY_FRAME], [])


def test_session_that_begins_while_the_gateway_stops_is_closed() -> None:
    async def scenario() -> tuple[list[Closure], list[str]]:
        functions = HeldFunctions()
        async with a_session(functions, stopping=True) as opened:
            opened.client.say("1")
            await settle()
            return opened.client.closures, functions.bodies

    assert asyncio.run(scenario()) == ([SHUT_DOWN], [])


def test_frames_in_either_direction_keep_a_connection_from_being_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = 1_000
    monkeypatch.setattr(Edge, "now_ms", lambda _: now_ms)

    async def scenario() -> list[int]:
        nonlocal now_ms
        seen = []
        async with a_session(HeldFunctions()) as opened:
            session = opened.session
            now_ms += 5_000
            opened.client.say("1")
            seen.append(session.connection.last_active_ms)
            now_ms += 5_000
            assert session.post("x", 1)
            seen.append(session.connection.last_active_ms)
            assert session.post_now(["y", "z"], 16_000)
            seen.append(session.connection.last_active_ms)
            assert opened.client.texts == ["x", "y", "z"]
        return seen

    assert asyncio.run(scenario()) == [6_000, 11_000, 16_000]


def test_connection_is_closed_when_it_has_been_idle_for_ten_minutes_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms, looks = 1_000_000, 0

    def now(_edge: Edge) -> int:
        nonlocal looks
        looks += 1
        return now_ms

    monkeypatch.setattr(Edge, "now_ms", now)

    async def scenario() -> list[Closure]:
        nonlocal now_ms
        async with a_session(HeldFunctions(), idle_for_ms=599_999) as opened:
            before = looks
            while looks < before + 5:  # noqa: ASYNC110  # the clock stands still, and is looked at each 1 ms
                await asyncio.sleep(0.001)
            assert opened.client.closures == []
            now_ms += 1
            while not opened.client.closures:  # noqa: ASYNC110  # it has no event
                await asyncio.sleep(0.001)
            return opened.client.closures

    assert asyncio.run(scenario()) == [Closure(1001, "Going away")]


def test_connection_that_slept_past_its_end_with_the_machine_is_closed_within_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Timers do not count a sleep, nor a leap of the clock, by which apps forget connections of two hours."""
    now_ms = 1_000_000
    monkeypatch.setattr(Edge, "now_ms", lambda _: now_ms)

    async def scenario() -> list[Closure]:
        nonlocal now_ms
        loop = asyncio.get_running_loop()
        awake = loop.time
        async with a_session(HeldFunctions()) as opened:
            now_ms += 3 * 3_600_000
            monkeypatch.setattr(loop, "time", lambda: awake() + 61)
            await settle()
            return opened.client.closures

    assert asyncio.run(scenario()) == [Closure(1001, "Going away")]


def test_connection_that_has_expired_before_it_is_served_is_closed_at_once() -> None:
    async def scenario() -> tuple[list[Closure], Closure | None]:
        async with a_session(HeldFunctions(), idle_for_ms=600_000) as opened:
            opened.client.leave(1001, "Going away")
            await settle()
            return opened.client.closures, opened.closure

    away = Closure(1001, "Going away")
    assert asyncio.run(scenario()) == ([away], away)


def test_nothing_holds_a_session_whose_client_has_left() -> None:
    async def scenario() -> object:
        async with a_session(HeldFunctions()) as opened:
            session = weakref.ref(opened.session)
            opened.client.leave(1000)
            await settle()
            assert opened.closure == Closure(1000, "")
            del opened.session, opened.client
            gc.collect()
            return session()

    assert asyncio.run(scenario()) is None
