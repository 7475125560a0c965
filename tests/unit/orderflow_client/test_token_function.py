"""A token's function that calls the client which waits for it, is slow, or is asked by many at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from orderflow_client import Client, DisconnectedError, WithinTokenError
from orderflow_client.sync import Client as SyncClient
from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.conftest import QUICK
from tests.unit.orderflow_client.test_sync import an_engine

Call = Callable[[Client], Awaitable[Any]]


async def first_event(client: Client) -> object:
    return await anext(aiter(client.events()))


async def submitted(client: Client) -> object:
    return await client.submit(side="sell", amount="1")


async def first_order(client: Client) -> object:
    return await anext(aiter(client.orders()))


CALLS: list[Call] = [submitted, first_event, first_order, Client.markets]


@pytest.mark.parametrize("inner", CALLS)
@pytest.mark.parametrize("outer", CALLS)
def test_call_of_the_client_whose_token_is_made_is_refused_and_so_is_the_one_that_wanted_it(
    outer: Call, inner: Call
) -> None:
    async def story() -> None:
        async def token() -> str:
            await inner(client)
            return "token"

        async with FakeEngine() as engine:
            client = Client(engine.url, token, rest_url=engine.rest_url, limits=QUICK)
            async with client:
                with pytest.raises(WithinTokenError, match="use another client there"):
                    await outer(client)
            assert not engine.received
            assert not engine.requests

    asyncio.run(story())


def test_call_that_the_function_begins_and_leaves_to_itself_has_its_answer() -> None:
    """As what refreshes by itself: it goes on behind the function, and holds nothing up."""

    async def story() -> None:
        left: list[asyncio.Task[Any]] = []
        is_made = asyncio.Event()

        async def later() -> object:
            await is_made.wait()
            return await client.markets()

        async def token() -> str:
            if not left:
                left.append(asyncio.create_task(later()))
            return "token"

        async with FakeEngine() as engine:
            client = Client(engine.url, token, rest_url=engine.rest_url, limits=QUICK)
            async with client:
                await client.markets()
                is_made.set()
                await left[0]

    asyncio.run(story())


def test_function_may_ask_another_client_for_its_token() -> None:
    async def story() -> None:
        async with FakeEngine() as engine:
            issuer = Client(engine.url, "token", rest_url=engine.rest_url, limits=QUICK)

            async def token() -> str:
                await issuer.markets()
                return "token"

            async with issuer, Client(engine.url, token, rest_url=engine.rest_url, limits=QUICK) as client:
                await client.submit(side="sell", amount="1")
                await asyncio.gather(*(client.markets() for _ in range(20)))

    asyncio.run(story())


@pytest.mark.parametrize(
    "inner", [SyncClient.markets, SyncClient.close, lambda client: next(client.events())]
)
def test_client_without_asyncio_does_not_wait_for_itself(inner: Callable[[SyncClient], object]) -> None:
    def token() -> str:
        inner(client)
        return "token"

    with an_engine() as engine:
        client = SyncClient(engine.url, token, rest_url=engine.rest_url, limits=QUICK)
        with client:
            for outer in (SyncClient.markets, lambda client: client.submit(side="sell", amount="1")):
                with pytest.raises(WithinTokenError):
                    outer(client)


def test_function_that_does_not_return_is_given_up_with_the_call() -> None:
    async def story() -> None:
        async def token() -> str:
            await asyncio.get_running_loop().create_future()
            return "token"

        limits = replace(QUICK, time_limit_s=0.2)
        async with (
            FakeEngine() as engine,
            Client(engine.url, token, rest_url=engine.rest_url, limits=limits) as client,
        ):
            with pytest.raises(DisconnectedError, match=r"token took longer than 0\.2 s$"):
                await client.markets()
            with pytest.raises(DisconnectedError, match=r"no connection within 0\.2 s"):
                await client.submit(side="sell", amount="1")

    asyncio.run(story())
