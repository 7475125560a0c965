"""An open connection: which messages are handled, in which order, and what their sender is told."""

import asyncio
import json

import pytest

from chalice_offline.gateway import GatewayLimits
from chalice_offline.invocation import Raised, Returned
from tests.unit.chalice_offline.gateway.a_session import HeldFunctions, a_session, settle

ONE_AT_ONCE = GatewayLimits(messages_in_flight_max=1)


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


def test_failure_of_a_handler_is_told_to_its_sender() -> None:
    async def scenario() -> list[str]:
        functions = HeldFunctions()
        async with a_session(functions) as opened:
            opened.client.say("1")
            functions.end(0, Raised("ValueError", "no"))
            return opened.client.texts

    (frame,) = asyncio.run(scenario())
    assert json.loads(frame)["message"] == "Internal server error"
