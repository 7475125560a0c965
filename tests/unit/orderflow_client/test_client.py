"""Every verb of the contract, on an engine that has them all."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from orderflow_client import (
    Client,
    ClientClosedError,
    NotFoundError,
    Order,
    OrderAlreadyFinalError,
    OrderChangedError,
    ProtocolError,
    RefusedError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from tests.fakes.engine_server import LIFE, FakeEngine, Frame, RestRefusal
from tests.unit.orderflow_client.conftest import QUICK, Play, play_with

NOWHERE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"


async def statuses(order: Order) -> list[str]:
    return [str(event.status) async for event in order.events()]


def _count(requests: Sequence[tuple[str, str, object]], method: str) -> int:
    return [each for each, _, _ in requests].count(method)


def test_order_is_submitted_under_a_key_of_its_own_and_followed_to_its_end(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(side="sell", amount=Decimal("1.5"))
        assert await statuses(order) == list(LIFE)
        assert await statuses(order) == list(LIFE)
        assert (await order.result()).status == "confirmed"
        assert engine.received[0]["clientOrderId"] == order.client_order_id
        assert engine.received[0]["amount"] == "1.5"
        assert engine.credentials == ["Bearer token"]

    play(story)


def test_every_order_type_travels_as_the_contract_has_it(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.submit(type="limit", side="buy", amount="1", limit_price="140.5", time_in_force="gtc")
        await client.submit(
            side="sell", amount="1", trigger={"price": "120", "when": "below", "confirmations": 3}
        )
        await client.submit(
            type="sniper", input_token="USDC", output_token="NEW", amount="10",
            sniper={"max_fee_bps": 100, "min_liquidity": Decimal(5000)},
        )  # fmt: skip
        limit, stop, sniper = engine.received
        assert (limit["type"], limit["limitPrice"], limit["timeInForce"]) == ("limit", "140.5", "gtc")
        assert stop["trigger"] == {"price": "120", "when": "below", "confirmations": 3}
        assert sniper["sniper"] == {"maxFeeBps": 100, "minLiquidity": "5000"}

    play(story)


def test_resting_order_is_amended_and_canceled(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="140")
        seen = order.events()
        assert [str((await anext(seen)).status) for _ in range(2)] == ["pending", "open"]
        with pytest.raises(OrderChangedError):
            await order.amend(limit_price="141", if_seq=1)
        assert (await order.amend(limit_price=Decimal(141), if_seq=2)).status == "open"
        assert (await anext(seen)).raw["amended"] == {"limitPrice": "141", "ifSeq": 2}
        assert (await order.cancel()).status == "canceled"
        assert (await anext(seen)).status == "canceled"
        with pytest.raises(OrderAlreadyFinalError):
            await order.cancel()
        del engine

    play(story)


def test_cancel_all_takes_the_types_that_are_named(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        limits = [
            await client.submit(type="limit", side="buy", amount="1", limit_price=str(price))
            for price in (1, 2)
        ]
        for order in limits:
            seen = order.events()
            while (await anext(seen)).status != "open":
                pass
        assert (await client.cancel_all(types=["sniper"])).canceled == 0
        assert (await client.cancel_all(base_asset="SOL", quote_asset="USDC")).canceled == 2
        assert [(await order.result()).status for order in limits] == ["canceled", "canceled"]

    play(story)


def test_cancel_all_says_that_orders_are_left_that_can_be_canceled_later(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        engine.doubted.add(order.id)
        found = await client.cancel_all()
        assert (found.canceled, found.more) == (0, True)
        engine.doubted.clear()
        assert not (await client.cancel_all()).more

    play(story)


def test_preview_stores_nothing(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        preview = await client.preview(side="sell", amount="1")
        assert (preview.verdict, preview.checks[0].result) == ("executeNow", "passed")
        assert engine.received[0]["dryRun"] is True
        assert engine.orders == {}

    play(story)


def test_markets_health_and_pages_of_orders_are_read(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        market = (await client.markets()).markets[0]
        assert (market.mark, market.best_rates.buy) == (Decimal(150), Decimal("150.3"))
        assert (await client.health()).database == "unavailable"
        made = [await client.submit(side="sell", amount="1") for _ in range(5)]
        for order in made:
            await order.result()
        assert [order.order_id async for order in client.orders()] == [order.id for order in made[::-1]]
        del engine

    play(story)


def test_order_of_another_time_is_followed_from_where_the_caller_stood(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        order_id = (await client.submit(side="sell", amount="1")).id
        await (await client.order(order_id)).result()
        again = await client.order(order_id)
        assert [event.seq async for event in again.events(after_seq=4)] == [5, 6]
        with pytest.raises(NotFoundError):
            await client.order(NOWHERE)

    play(story)


def test_cancel_of_an_accepted_order_that_is_not_on_record_yet_waits_for_it(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame["type"] == "order" else [frame]
        order = await client.submit(type="limit", side="sell", amount="1", limit_price="150")
        missing = {"code": "ORDER_NOT_FOUND", "message": "no such order"}
        engine.rest_refusals.append((404, missing, {}))
        assert (await order.cancel()).status == "canceled"
        engine.rest_refusals.append((404, missing, {}))
        with pytest.raises(NotFoundError):
            await client.cancel(NOWHERE)

    play(story)


def test_cancel_asks_again_only_once_the_order_has_come_on_record(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame["type"] == "order" else [frame]
        order = await client.submit(type="limit", side="sell", amount="1", limit_price="150")
        engine.orders[order.id].clear()
        canceling = asyncio.ensure_future(order.cancel())
        asked = engine.requests
        await engine.until(
            lambda: any("/events" in path for _, path, _ in asked) or _count(asked, "DELETE") > 1
        )
        assert not canceling.done()
        engine.deliver = lambda frame: [frame]
        await engine.happens(order.id, "pending", "open")
        assert (await canceling).status == "canceled"
        assert _count(asked, "DELETE") == 2

    play(story)


@pytest.mark.parametrize(("if_seq", "times"), [({}, 2), ({"if_seq": 2}, 1)])
def test_amendment_of_unknown_outcome_is_sent_again_unless_the_first_may_have_it_refused(
    play: Play[None], if_seq: dict[str, int], times: int
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = order.events()
        while (await anext(seen)).status != "open":
            pass
        engine.rest_refusals.append((502, {"message": "Bad gateway"}, {}))
        amending = order.amend(limit_price="2", **if_seq)  # type: ignore[arg-type]
        if times == 1:
            with pytest.raises(UnknownOutcomeError):
                await amending
        else:
            assert (await amending).status == "open"
        assert _count(engine.requests, "PATCH") == times

    play(story)


def test_count_of_a_cancel_of_all_is_what_the_engine_said_or_none(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        said: list[Frame | None] = [
            {"type": "canceledAll", "canceled": 3, "alreadySent": ["a", "b"], "more": True},
            {"type": "canceledAll", "canceled": 2, "alreadySent": None},
            {"type": "canceledAll"},
        ]
        engine.refusals["cancelAll"] = deque(said)
        found = await client.cancel_all()
        assert (found.canceled, found.already_sent, found.more) == (3, ("a", "b"), True)
        found = await client.cancel_all()
        assert (found.canceled, found.already_sent, found.more) == (2, (), False)
        with pytest.raises(ProtocolError):
            await client.cancel_all()

    play(story)


def test_who_waits_for_events_is_told_when_the_client_is_closed_however_quiet_it_was() -> None:
    async def story() -> None:
        limits = replace(QUICK, quiet_s=86_400, quiet_most_s=86_400)
        async with FakeEngine() as engine:
            client = Client(engine.url, "token", rest_url=engine.rest_url, limits=limits)
            order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
            waiting = []
            for each in (order.events(), client.events()):
                while (await anext(each)).status != "open":
                    pass
                waiting.append(asyncio.ensure_future(anext(each)))
            await client.health()  # both wait by now
            await client.close()
            for told in waiting:
                with pytest.raises(ClientClosedError):
                    await told

    asyncio.run(story())


def test_order_that_another_client_made_is_told_of_at_once_also_on_a_new_connection() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.preview(side="sell", amount="1")  # it is connected
        order_id = NOWHERE
        engine.terms[order_id], engine.orders[order_id] = {"type": "limit"}, []
        await engine.happens(order_id, "pending", "open")
        seen = (await client.order(order_id)).events()
        assert [(await anext(seen)).seq for _ in range(2)] == [1, 2]
        following = asyncio.ensure_future(anext(seen))
        await engine.happens(order_id, "open")
        assert (await following).seq == 3
        following = asyncio.ensure_future(anext(seen))
        engine.handshakes.append(503)
        engine.cut()
        await engine.happens(order_id, "canceled")
        assert (await following).seq == 4

    play_with(replace(QUICK, quiet_s=86_400, quiet_most_s=86_400))(story)


def test_order_is_followed_again_once_a_credential_that_was_refused_is_taken() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = order.events()
        assert [(await anext(seen)).seq for _ in range(2)] == [1, 2]
        engine.handshakes.append(401)
        engine.cut()
        with pytest.raises(UnauthorizedError):
            await anext(seen)
        following = asyncio.ensure_future(anext(order.events(after_seq=2)))
        await engine.happens(order.id, "canceled")
        assert (await following).status == "canceled"

    play_with(replace(QUICK, quiet_s=86_400, quiet_most_s=86_400))(story)


def test_cancel_that_was_done_and_not_answered_is_done(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = order.events()
        while (await anext(seen)).status != "open":
            pass
        await engine.happens(order.id, "canceled")
        engine.rest_refusals.append((502, {"message": "Bad gateway"}, {}))
        assert (await order.cancel()).status == "canceled"

    play(story)


def test_cancel_that_was_not_answered_and_then_refused_is_refused_only_if_the_record_says_so(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(side="sell", amount="1")
        await order.result()
        lost: RestRefusal = (502, {"message": "Bad gateway"}, {})
        engine.rest_refusals.append(lost)
        with pytest.raises(OrderAlreadyFinalError):
            await order.cancel()
        refused: RestRefusal = (409, {"code": "ORDER_ALREADY_FINAL", "message": "over", "details": []}, {})
        not_known: RestRefusal = (401, {"code": "UNAUTHORIZED", "message": "expired"}, {})
        for answers in ([lost, not_known], [lost, refused, not_known]):
            engine.rest_refusals.extend(answers)
            with pytest.raises(UnknownOutcomeError):
                await order.cancel()

    play(story)


def test_cancel_all_without_an_answer_is_unknown_and_not_sent_again(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["cancelAll"] = deque([None])
        with pytest.raises(UnknownOutcomeError):
            await client.cancel_all()
        assert [frame["action"] for frame in engine.received] == ["cancelAll"]

    play(story)


def test_refusal_is_told_with_its_code_and_fields(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        problem = {"field": "amount", "problem": "is required"}
        refusal = {"code": "INVALID_REQUEST", "message": "amount is required", "details": [problem]}
        engine.refusals["submit"] = deque([refusal])
        with pytest.raises(RefusedError, match="INVALID_REQUEST: amount is required") as caught:
            await client.submit(side="sell", amount="1")
        assert caught.value.details[0].field == "amount"

    play(story)


def test_feed_has_every_event_once_also_of_orders_that_came_and_ended_while_it_was_cut_off(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        before = await engine.comes_and_ends("before")
        feed = client.events()
        resting = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = [await anext(feed), await anext(feed)]
        # Two handshakes fail, so that there is no connection for a while.
        engine.handshakes.extend([503, 503])
        engine.cut()
        unseen = [await engine.comes_and_ends(f"unseen {number}") for number in range(3)]
        await engine.happens(resting.id, "canceled")
        last = None
        while last != "later":
            seen.append(await anext(feed))
            if len(seen) == 2 + 1 + 3 * len(LIFE):
                await engine.comes_and_ends("later")
            last = seen[-1].client_order_id
        by_order: dict[str, list[int]] = {}
        for event in seen[:-1]:
            by_order.setdefault(event.order_id, []).append(event.seq)
        assert by_order == {resting.id: [1, 2, 3], **{each: [1, 2, 3, 4, 5, 6] for each in unseen}}
        assert before not in by_order

    play(story)


def test_feed_is_subscribed_again_however_long_the_engine_refuses_it(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        feed = client.events()
        waiting = asyncio.ensure_future(anext(feed))
        await engine.until(lambda: bool(engine.received))
        engine.refusals["subscribe"] = deque([{"code": "SERVICE_UNAVAILABLE", "message": "later"}] * 3)
        engine.cut()
        await engine.until(lambda: len(engine.received) >= 5)
        await engine.comes_and_ends("later")
        assert (await waiting).client_order_id == "later"

    play(story)


def test_iteration_that_is_left_early_costs_nothing_any_more(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        async with aclosing(client.events()) as all_events, aclosing(order.events()) as events:
            assert (await anext(all_events)).seq == (await anext(events)).seq == 1
        asked = len(engine.requests)
        engine.cut()
        await engine.until(lambda: engine.connected == 2)
        await client.preview(side="sell", amount="1")
        since = [frame for frame in engine.received[-2:] if frame["action"] == "subscribe"]
        assert [frame.get("orderId") for frame in since] == [order.id]
        assert len(engine.requests) == asked

    play(story)
