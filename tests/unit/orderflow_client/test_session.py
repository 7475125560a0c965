"""The connection: comes back by itself, asks until it is answered, and stops where it must."""

import asyncio
import selectors
from collections import deque
from dataclasses import replace

import pytest

from orderflow_client import (
    Client,
    ClientClosedError,
    DefectError,
    DisconnectedError,
    InvalidRequestError,
    LimitReachedError,
    Limits,
    RefusedError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.conftest import QUICK, Play, play_with

BUSY = {"code": "RATE_LIMITED", "message": "later"}
UNKNOWN = {"code": "OUTCOME_UNKNOWN", "message": "perhaps"}
AWAY = {"code": "SERVICE_UNAVAILABLE", "message": "in a moment"}


@pytest.mark.parametrize("refusal", [BUSY, UNKNOWN, AWAY, None])
def test_submit_is_repeated_under_the_same_key_until_its_outcome_is_known(
    play: Play[None], refusal: dict[str, str] | None
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([refusal, refusal])
        order = await client.submit(side="sell", amount="1")
        submits = [frame for frame in engine.received if frame["action"] == "submit"]
        assert submits == [submits[0]] * 3
        assert list(engine.orders) == [order.id]

    play(story)


def test_submit_whose_answer_is_lost_with_the_connection_is_one_order(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if engine.connected == 1 else [frame]
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: bool(engine.orders))
        engine.cut()
        order = await asking
        assert [event.seq async for event in order.events()] == [1, 2, 3, 4, 5, 6]
        assert list(engine.orders) == [order.id]

    play(story)


def test_event_that_overtakes_its_acceptance_is_the_acceptance(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame["type"] == "accepted" else [frame]
        order = await client.submit(side="sell", amount="1")
        assert (await order.result()).seq == 6

    play(story)


def test_outcome_that_stays_unknown_names_the_key_to_ask_again_with() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([UNKNOWN] * 99)
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.submit(side="sell", amount="1", client_order_id="mine")
        assert caught.value.client_order_id == "mine"
        engine.refusals["submit"] = deque([BUSY] * 99)
        with pytest.raises(LimitReachedError):
            await client.submit(side="sell", amount="1")
        engine.refusals["submit"] = deque([UNKNOWN, *[BUSY] * 99])
        with pytest.raises(UnknownOutcomeError, match="perhaps; then: RATE_LIMITED") as caught:
            await client.submit(side="sell", amount="1", client_order_id="mine")
        assert caught.value.client_order_id == "mine"

    play_with(replace(QUICK, time_limit_s=0.5))(story)


@pytest.mark.parametrize("then", [{"code": "UNAUTHORIZED", "message": "no"}, {"code": "X", "message": ""}])
def test_submit_that_is_refused_after_its_answer_was_lost_may_have_been_accepted(
    play: Play[None], then: dict[str, str]
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None, then])
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.submit(side="sell", amount="1")
        assert caught.value.client_order_id == engine.received[0]["clientOrderId"]
        engine.refusals["submit"] = deque([None, then])
        with pytest.raises(RefusedError):
            await client.preview(side="sell", amount="1")

    play(story)


def test_credential_that_is_refused_after_an_answer_was_lost_leaves_the_order_unknown(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None])
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: bool(engine.received))
        engine.handshakes.append(401)
        engine.cut()
        with pytest.raises(UnknownOutcomeError) as caught:
            await asking
        assert isinstance(caught.value.__cause__, UnauthorizedError)

    play(story)


def test_engine_that_is_not_there_was_sent_nothing() -> None:
    async def story() -> None:
        async with Client("http://127.0.0.1:9", limits=Limits(time_limit_s=0.2)) as client:
            with pytest.raises(DisconnectedError, match=r"Connect call failed .*; nothing was sent$"):
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


def test_refusal_that_will_not_pass_is_told_at_once(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([{"code": "INTERNAL_ERROR", "message": "a defect"}])
        with pytest.raises(DefectError):
            await client.submit(side="sell", amount="1")
        with pytest.raises(InvalidRequestError, match="MESSAGE_TOO_LARGE"):
            await client.submit(side="sell", amount="1", client_order_id="x" * 40_000)
        assert len(engine.received) == 1

    play(story)


def test_handshake_that_is_refused_for_now_is_tried_again(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.handshakes.extend([503, 429, 0])
        await client.submit(side="sell", amount="1")
        assert engine.connected == 1

    play(story)


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


def test_call_after_a_credential_was_refused_keeps_no_processor_busy_until_it_is_connected() -> None:
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

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner:
        runner.run(story())
    assert max(waiting) < 50, waiting


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


def test_idle_connection_is_kept_open_by_pings_and_an_old_one_is_renewed() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        await engine.until(lambda: engine.connected >= 3)
        assert {"action": "ping"} in engine.received
        await engine.happens(order.id, "canceled")
        assert [event.seq async for event in order.events()] == [1, 2, 3]

    play_with(replace(QUICK, idle_s=0.05, connection_s=0.4))(story)


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


def test_questions_beyond_the_limit_wait_their_turn() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None] * 99)
        asking = [asyncio.create_task(client.submit(side="sell", amount="1")) for _ in range(5)]
        await engine.until(lambda: len(engine.received) >= 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(engine.received) == 2
        for task in asking:
            task.cancel()

    play_with(replace(QUICK, in_flight_max=2, answer_s=5))(story)


def test_garbage_from_the_engine_is_passed_over(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.submit(side="sell", amount="1")
        (connection,) = engine.connections
        for text in (
            "nonsense",
            "[1]",
            '{"type":"order"}',
            '{"message":"Internal server error"}',
            "[" * 9_999,
        ):
            await connection.send(text)
        await client.submit(side="sell", amount="1")
        assert engine.connected == 1

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
