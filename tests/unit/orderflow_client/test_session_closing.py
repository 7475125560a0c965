"""How a client ends: what waits is told, and nothing is left behind."""

import asyncio
from collections import deque
from dataclasses import replace

import pytest
from websockets.asyncio.client import ClientConnection

from orderflow_client import Client, ClientClosedError, UnknownOutcomeError
from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.conftest import QUICK, Play


def test_closing_ends_what_waits_and_every_later_call_and_names_the_key_of_what_was_sent(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        waiting = asyncio.create_task(order.result())
        engine.refusals["submit"] = deque([None])
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: [frame["action"] for frame in engine.received].count("submit") == 2)
        await client.close()
        with pytest.raises(ClientClosedError):
            await waiting
        with pytest.raises(UnknownOutcomeError) as caught:
            await asking
        assert caught.value.client_order_id == engine.received[-1]["clientOrderId"]
        with pytest.raises(ClientClosedError):
            await client.submit(side="sell", amount="1")
        with pytest.raises(ClientClosedError):
            await client.health()
        assert {task for task in asyncio.all_tasks() if "orderflow" in task.get_name()} == set()

    play(story)


def test_close_that_is_canceled_meanwhile_ends_as_canceled() -> None:
    async def story() -> None:
        asked, tidies_up, released = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def token() -> str:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                tidies_up.set()
                await released.wait()
            return ""

        client = Client("http://127.0.0.1:9", token)
        asking = asyncio.create_task(client.cancel_all())
        await asked.wait()
        closing = asyncio.create_task(client.close())
        await tidies_up.wait()
        closing.cancel()
        await asyncio.wait({closing})
        assert closing.cancelled()
        released.set()
        await client.close()
        with pytest.raises(ClientClosedError):
            await asking

    asyncio.run(story())


def test_close_that_is_canceled_ends_all_that_waits_for_events_and_connects_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_connection: ClientConnection) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        async with FakeEngine() as engine:
            limits = replace(QUICK, quiet_s=86_400, quiet_most_s=86_400)
            client = Client(engine.url, "token", rest_url=engine.rest_url, limits=limits)
            order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
            waiting = []
            for each in (order.events(), client.events()):
                while (await anext(each)).status != "open":
                    pass
                waiting.append(asyncio.ensure_future(anext(each)))
            with monkeypatch.context() as patched:
                patched.setattr(ClientConnection, "close", never)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await client.close()
            for told in waiting:
                with pytest.raises(ClientClosedError):
                    await told
            await client.close()

    asyncio.run(story())
