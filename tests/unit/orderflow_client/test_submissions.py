"""Orders submitted in batches: each accepted once or not at all, and told as unknown where it is."""

import asyncio
import json
from collections import deque
from decimal import Decimal

import pytest

from orderflow_client import (
    BATCH_ORDERS_MAX,
    Client,
    ClientOrderIdConflictError,
    InvalidRequestError,
    Order,
    OrderFields,
    UnauthorizedError,
    UnknownOutcomeError,
)
from tests.fakes.engine_server import LIFE, FakeEngine, Frame
from tests.unit.orderflow_client.conftest import Play

LATE: Frame = {"code": "INVALID_REQUEST", "message": "expiresAt is past"}


async def statuses(order: Order) -> list[str]:
    return [str(event.status) async for event in order.events()]


def orders(number: int) -> list[OrderFields]:
    return [{"side": "sell", "amount": str(each + 1)} for each in range(number)]


def test_batch_of_any_size_has_a_result_for_each_order_in_its_order(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        orders = [{"side": "sell", "amount": str(n + 1)} for n in range(BATCH_ORDERS_MAX + 3)]
        results = await client.submit_batch(orders)  # type: ignore[arg-type]
        assert [len(frame["orders"]) for frame in engine.received] == [BATCH_ORDERS_MAX, 3]
        assert [engine.terms[each.id]["amount"] for each in results if isinstance(each, Order)] == [
            order["amount"] for order in orders
        ]
        assert isinstance(results[-1], Order)
        assert await statuses(results[-1]) == list(LIFE)

    play(story)


@pytest.mark.parametrize(
    "unspeakable", [{"client_order_id": "half \ud83d"}, {"amount": 10**5_000}], ids=["text", "number"]
)
def test_batch_with_an_order_that_no_frame_can_carry_is_not_begun(
    play: Play[None], unspeakable: dict[str, object]
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        last = {**orders(1)[0], **unspeakable}
        with pytest.raises(ValueError, match=next(iter(unspeakable))):
            await client.submit_batch([*orders(BATCH_ORDERS_MAX), last])  # type: ignore[list-item]
        assert not engine.received

    play(story)


def test_order_that_makes_its_batch_too_large_is_refused_alone(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        endless: OrderFields = {"side": "sell", "amount": Decimal("1E+40000")}
        first, second, third = await client.submit_batch([orders(1)[0], endless, *orders(1)])
        assert isinstance(first, Order)
        assert isinstance(second, InvalidRequestError)
        assert isinstance(third, Order)
        assert len(engine.orders) == 2

    play(story)


def test_refused_order_of_a_batch_is_refused_alone(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        await client.submit(side="sell", amount="1", client_order_id="mine")
        first, second = await client.submit_batch(
            [{"side": "sell", "amount": "2", "client_order_id": "mine"}, {"side": "sell", "amount": "2"}]
        )
        assert isinstance(first, ClientOrderIdConflictError)
        assert isinstance(second, Order)

    play(story)


def test_frame_of_a_batch_that_is_lost_leaves_the_orders_of_the_frames_before_known(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await (await client.submit(side="sell", amount="1")).result()
        engine.deliver = lambda frame: [frame] if len(frame.get("results", ())) == BATCH_ORDERS_MAX else []
        engine.handshakes.append(401)
        results = await client.submit_batch(orders(BATCH_ORDERS_MAX + 2))
        assert all(isinstance(each, Order) for each in results[:BATCH_ORDERS_MAX])
        keys = [each["clientOrderId"] for each in engine.received[-1]["orders"]]
        rest = results[BATCH_ORDERS_MAX:]
        assert [each.client_order_id for each in rest if isinstance(each, UnknownOutcomeError)] == keys
        assert [type(each.__cause__) for each in rest if isinstance(each, UnknownOutcomeError)] == [
            UnauthorizedError, UnauthorizedError,
        ]  # fmt: skip

    play(story)


def test_batch_that_is_refused_whole_is_refused_for_each_of_its_orders(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submitBatch"] = deque([{"code": "UNAUTHORIZED", "message": "no"}])
        assert [type(each) for each in await client.submit_batch(orders(2))] == [UnauthorizedError] * 2

    play(story)


def test_order_that_is_refused_when_its_batch_is_sent_once_more_may_have_been_accepted_the_first_time(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        answers: list[Frame | None] = [None, {"type": "acceptedBatch", "results": [LATE, LATE]}]
        engine.refusals["submitBatch"] = deque(answers)
        results = await client.submit_batch(orders(2))
        assert [type(each) for each in results] == [UnknownOutcomeError] * 2
        assert len(engine.received) == 2

    play(story)


def test_order_of_a_batch_whose_outcome_is_unknown_stays_so_if_it_is_refused_by_itself(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        unknown = {"code": "OUTCOME_UNKNOWN", "message": "perhaps", "orderId": "1"}
        engine.refusals["submitBatch"] = deque([{"type": "acceptedBatch", "results": [unknown, LATE]}])
        engine.refusals["submit"] = deque([LATE])
        first, second = await client.submit_batch(orders(2))
        assert isinstance(first, UnknownOutcomeError)
        assert (first.order_id, first.client_order_id) == ("1", engine.received[-1]["clientOrderId"])
        assert type(second).__name__ == "InvalidRequestError"

    play(story)


@pytest.mark.parametrize("results", [None, [1, 2], [{"orderId": "1"}], [{"orderId": 1}, {"orderId": 1}]])
def test_batch_that_is_answered_by_nonsense_may_have_been_accepted(play: Play[None], results: object) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submitBatch"] = deque([{"type": "acceptedBatch", "results": results}])
        for each in await client.submit_batch(orders(2)):
            assert isinstance(each, UnknownOutcomeError)
            assert each.client_order_id is not None

    play(story)


def test_same_key_with_other_terms_is_a_conflict_even_if_the_record_says_so_late(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame["type"] == "order" else [frame]
        order = await client.submit(side="sell", amount="1", client_order_id="mine")
        with pytest.raises(ClientOrderIdConflictError):
            await client.submit(side="sell", amount="2", client_order_id="mine")
        engine.orders[order.id].clear()
        engine.deliver = lambda frame: [frame]
        (connection,) = engine.connections
        following = asyncio.create_task(statuses(order))
        late = {"type": "error", "code": "CLIENT_ORDER_ID_CONFLICT", "message": ""}
        await connection.send(json.dumps({**late, "requestId": engine.received[0]["requestId"]}))
        with pytest.raises(ClientOrderIdConflictError):
            await following

    play(story)


def test_order_submitted_twice_at_once_under_one_key_is_answered_twice(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        one, same = await asyncio.gather(
            *(client.submit(side="sell", amount="1", client_order_id="mine") for _ in range(2))
        )
        assert one.id == same.id
        assert len(engine.received) == 2  # none was sent again for want of its answer

    play(story)


def test_event_of_an_older_order_under_the_callers_key_is_no_acceptance_of_a_new_one(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        older = await engine.comes_and_ends("mine")
        feed = client.events()
        hearing = asyncio.ensure_future(anext(feed))
        await engine.until(lambda: bool(engine.received))
        engine.refusals["submit"] = deque([None])
        submitting = asyncio.ensure_future(client.submit(side="sell", amount="2", client_order_id="mine"))
        await engine.until(lambda: len(engine.received) == 2)
        await engine.happens(older, "confirmed")
        assert (await hearing).order_id == older
        with pytest.raises(ClientOrderIdConflictError):
            await submitting

    play(story)


def test_other_terms_submitted_at_once_under_one_key_are_not_taken_for_accepted(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        found = await asyncio.gather(
            *(client.submit(side="sell", amount=amount, client_order_id="mine") for amount in ("1", "2")),
            return_exceptions=True,
        )
        (order,) = (each for each in found if isinstance(each, Order))
        assert [type(each) for each in found if each is not order] == [ClientOrderIdConflictError]
        assert engine.terms[order.id]["amount"] == ("1" if found[0] is order else "2")

    play(story)


@pytest.mark.parametrize(
    "late",
    [
        {"requestId": "o:1:mine", "code": "CLIENT_ORDER_ID_CONFLICT"},  # a second content under the key
        {"requestId": "o:1:mine", "code": "OUTCOME_UNKNOWN"},
        {"requestId": "o:2:another", "code": "CLIENT_ORDER_ID_CONFLICT"},
        {"requestId": "q999", "code": "INTERNAL_ERROR"},
        {"requestId": 7, "code": "INTERNAL_ERROR"},
        {"code": "INTERNAL_ERROR"},
    ],
)
def test_late_error_ends_neither_an_order_that_has_begun_nor_the_connection(
    play: Play[None], late: Frame
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(
            type="limit", side="sell", amount="1", limit_price="9", client_order_id="mine"
        )
        assert engine.received[0]["requestId"] == "o:1:mine"
        seen = order.events()
        assert [(await anext(seen)).status for _ in range(2)] == ["pending", "open"]
        following = asyncio.ensure_future(anext(seen))
        (connection,) = engine.connections
        await connection.send(json.dumps({"type": "error", "message": "", **late}))
        await client.preview(side="sell", amount="1")  # it comes after that, and is answered
        await engine.happens(order.id, "canceled")
        assert (await following).status == "canceled"
        assert engine.connected == 1

    play(story)
