"""How a connection is opened: past a proxy, with a token, against refusals; what is told where it is not."""

import asyncio
import re
import selectors
from dataclasses import replace

import pytest

from orderflow_client import (
    Client,
    DisconnectedError,
    Limits,
    RefusedError,
    UnauthorizedError,
)
from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.conftest import QUICK, Play, play_with


def test_engine_that_is_not_there_was_sent_nothing() -> None:
    async def story() -> None:
        async with Client("http://127.0.0.1:9", limits=Limits(time_limit_s=0.2)) as client:
            with pytest.raises(
                DisconnectedError, match=r"Connect call failed .*; nothing was sent$"
            ) as caught:
                await client.submit(side="sell", amount="1")
        assert isinstance(caught.value.__cause__, OSError)

    asyncio.run(story())


def test_engine_on_this_machine_is_reached_past_the_proxy_that_others_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WS_PROXY", "http://127.0.0.1:9")

    async def story(_engine: FakeEngine, client: Client) -> None:
        await client.submit(side="sell", amount="1")

    play_with(replace(QUICK, time_limit_s=5))(story)


def test_engine_that_takes_a_connection_and_says_nothing_is_given_up_in_time_and_told_as_the_cause() -> None:
    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    async def story() -> None:
        async with await asyncio.start_server(hears, "127.0.0.1", 0) as silent:
            port = silent.sockets[0].getsockname()[1]
            limits = Limits(open_s=0.02, time_limit_s=0.2)
            async with Client(f"http://127.0.0.1:{port}", limits=limits) as client:
                with pytest.raises(DisconnectedError, match="timed out during opening handshake"):
                    await client.submit(side="sell", amount="1")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("proxy", "why"), [("127.0.0.1:9", "127.0.0.1:9"), ("socks5://127.0.0.1:9", "python-socks")]
)
def test_proxy_that_cannot_be_used_is_named_and_closing_goes_well(
    monkeypatch: pytest.MonkeyPatch, proxy: str, why: str
) -> None:
    monkeypatch.setenv("WSS_PROXY", proxy)

    async def story() -> None:
        async with Client("https://engine.invalid", "token", limits=Limits(time_limit_s=0.3)) as client:
            await client.submit(side="sell", amount="1")

    with pytest.raises(DisconnectedError, match=why):
        asyncio.run(story())


def test_handshake_that_is_refused_for_now_is_tried_again(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.handshakes.extend([503, 429, 500, 0])
        await client.submit(side="sell", amount="1")
        assert engine.connected == 1

    play(story)


def test_handshake_that_is_refused_for_as_long_as_the_engine_says_is_not_tried_before_and_told() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.retry_after = "3600"
        engine.handshakes.append(429)
        with pytest.raises(DisconnectedError, match=r"\(RATE_LIMITED: .*\); nothing was sent$"):
            await client.submit(side="sell", amount="1")
        assert len(engine.credentials) == 1

    play_with(replace(QUICK, time_limit_s=0.2))(story)


def test_handshake_that_sends_elsewhere_is_not_followed_there_with_token_or_order(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        async with FakeEngine() as other:
            engine.handshakes.append(307)
            engine.location = other.url
            with pytest.raises(RefusedError, match=re.escape(other.url)):
                await client.submit(side="sell", amount="1")
            assert other.credentials == []

    play(story)


def test_token_that_is_not_made_in_time_is_told_as_no_connection() -> None:
    async def token() -> str:
        await asyncio.Event().wait()
        return ""

    async def story() -> None:
        async with Client("http://127.0.0.1:9", token, limits=Limits(time_limit_s=0.01)) as client:
            with pytest.raises(DisconnectedError, match=r"^no connection within 0\.01 s; nothing was sent$"):
                await client.submit(side="sell", amount="1")

    asyncio.run(story())


def test_credential_that_is_refused_ends_trying_until_the_caller_asks_again(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.handshakes.append(401)
        with pytest.raises(UnauthorizedError):
            await client.submit(side="sell", amount="1")
        assert len(engine.credentials) == 1
        await client.submit(side="sell", amount="1")

    play(story)


class Turns(selectors.DefaultSelector):
    """Counts the turns of a loop that has something to do at once."""

    busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.busy += timeout is not None and timeout <= 0
        return super().select(timeout)


def test_call_after_a_refusal_or_a_loss_keeps_no_processor_busy_until_it_is_connected() -> None:
    turns, waiting = Turns(), []

    async def token() -> str:
        begun = turns.busy
        await asyncio.sleep(0.1)
        waiting.append(turns.busy - begun)
        return "token"

    async def story() -> None:
        async with FakeEngine() as engine, Client(engine.url, token, rest_url=engine.rest_url) as client:
            engine.handshakes.append(401)
            with pytest.raises(UnauthorizedError):
                await client.submit(side="sell", amount="1")
            await client.submit(side="sell", amount="1")
            engine.cut()
            await asyncio.sleep(0.01)
            await client.submit(side="sell", amount="1")

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner:
        runner.run(story())
    assert len(waiting) == 3
    assert max(waiting) < 50, waiting


def test_call_that_waits_its_turn_when_the_credential_is_refused_is_told_so_too() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.handshakes.append(401)
        asking = [asyncio.create_task(client.submit(side="sell", amount="1")) for _ in range(2)]
        for each in asking:
            with pytest.raises(UnauthorizedError):
                await each

    play_with(replace(QUICK, in_flight_max=1))(story)


def test_credential_that_is_refused_later_ends_what_waits_for_events(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        iterations = [order.events(), client.events()]
        for events in iterations:
            assert [(await anext(events)).seq for _ in range(2)] == [1, 2]
        waiting = [asyncio.ensure_future(anext(events)) for events in iterations]
        engine.handshakes.append(401)
        engine.cut()
        for each in waiting:
            with pytest.raises(UnauthorizedError):
                await each

    play(story)


def test_token_that_cannot_be_made_for_a_while_delays_and_says_why_when_the_time_is_over() -> None:
    async def story() -> None:
        tries = 0

        def token() -> str:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise OSError("the issuer is away")
            return "token"

        async with FakeEngine() as engine:
            async with Client(engine.url, token, rest_url=engine.rest_url, limits=QUICK) as client:
                await client.submit(side="sell", amount="1")
            limits = replace(QUICK, time_limit_s=0.3)
            tries = -99
            async with Client(engine.url, token, rest_url=engine.rest_url, limits=limits) as client:
                with pytest.raises(DisconnectedError, match=r"token raised OSError\); nothing was sent$"):
                    await client.submit(side="sell", amount="1")
                with pytest.raises(DisconnectedError, match=r"token raised OSError$"):
                    await client.markets()

    asyncio.run(story())


def test_token_function_whose_own_task_is_canceled_delays_as_one_that_raises_does() -> None:
    tries = 0

    async def token() -> str:
        nonlocal tries
        tries += 1
        if tries == 2:
            refreshing = asyncio.create_task(asyncio.sleep(3_600))
            refreshing.cancel()
            await refreshing
        return "token"

    async def story() -> None:
        async with (
            FakeEngine() as engine,
            Client(engine.url, token, rest_url=engine.rest_url, limits=QUICK) as client,
        ):
            order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
            following = asyncio.create_task(order.result())
            engine.cut()
            await engine.until(lambda: len(engine.received) == 2)
            await engine.happens(order.id, "canceled")
            assert (await following).status == "canceled"

    asyncio.run(story())
