"""Orders that wait, through the real consumer: they rest, fire on a price, and keep their bound."""

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.adapters.simulated_market.seed import reset
from chalicelib.bootstrap.audit import audit
from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import Code
from chalicelib.domain.queue_messages import FiredMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.services.ports import OrderView
from chalicelib.services.resting.waiting import backoff_height
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.resting_fields import meant_fields
from infra.cli.market_maker import MarketMaker
from tests.integration.consumer import Consumer
from tests.support.market_watcher import market_watcher

S = OrderStatus
SELL = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1"}
BUY = SELL | {"side": "buy"}
RESTS = [S.PENDING, S.OPEN]
FILLS = [S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED, S.CONFIRMED]


class Desk:
    """A trader and a market that moves at a word."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.services = consumer.services
        self._maker = MarketMaker(self.services.engine, load_market())

    def submit(self, members: dict[str, Any]) -> UUID:
        """Submit an order and have the consumer look at it."""
        terms = meant_fields(OrderFields, members).terms(self.services.tokens)
        order = self.services.submit_orders.submit(terms, "local")
        assert self.consumer.run()[1] == []
        return order.order_id

    def move(self, sol: Fraction) -> None:
        """Move SOL to a part of its opening price of about 150 USDC, without a word to the engine."""
        self._maker.move_to({"SOL": sol}, int(time.time()))

    def looks(self) -> int:
        """Look at all prices, and have the consumer take what fired; return how much that was."""
        fired = self.services.price_watcher.look().fired
        if fired:
            assert self.consumer.run()[1] == []
        return fired

    def view(self, order_id: UUID) -> OrderView:
        view = self.services.queries.find("local", order_id)
        assert view is not None
        return view

    def told(self, order_id: UUID) -> dict[str, Any]:
        """Return what the order's last event says."""
        return dict(self.services.event_views.fields(self.view(order_id).last_event))

    def statuses(self, order_id: UUID) -> list[OrderStatus]:
        return [event.status for event in self.services.queries.events_after(order_id, 0, limit=100)]

    def watched(self) -> int:
        with self.services.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM watches")).scalar_one())

    def clear(self) -> None:
        """Cancel what another test left at rest."""
        with self.services.engine.connect() as connection:
            left = connection.execute(text("SELECT order_id FROM watches")).scalars().all()
        for order_id in left:
            self.services.cancel_orders.cancel("local", order_id)

    def height(self) -> int:
        with self.services.engine.connect() as connection:
            return int(connection.execute(text("SELECT market.height_at(market.now())")).scalar_one())

    def put_off(self, blocks: int) -> int:
        """Have what backs off wait for so many blocks more; return until which."""
        with self.services.engine.begin() as connection:
            found = connection.execute(
                text("UPDATE watches SET since_height = since_height + :blocks RETURNING since_height"),
                {"blocks": blocks},
            )
            return int(found.scalar_one())

    def next_blocks(self, count: int) -> None:
        """Let blocks pass without waiting for them."""
        with self.services.engine.begin() as connection:
            connection.execute(
                text("UPDATE market.chain SET clock_offset = clock_offset + :ms * interval '1 ms'"),
                {"ms": 400 * count},
            )


@pytest.fixture
def desk(consumer: Consumer) -> Iterator[Desk]:
    reset(consumer.services.engine, load_market())
    desk = Desk(consumer)
    desk.clear()
    yield desk
    with consumer.services.engine.connect().execution_options(
        isolation_level="REPEATABLE READ"
    ) as connection:
        assert [found for found in audit(connection, must_be_finished=False) if found] == []


def test_marketable_limit_order_executes_at_once_within_its_bound(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "140"})
    assert desk.statuses(order_id) == [S.PENDING, *FILLS]
    assert Fraction(desk.told(order_id)["outputAmount"]) >= 140
    assert desk.watched() == 0


@pytest.mark.parametrize(("members", "price", "sol"), [(SELL, "160", 112), (BUY, "140", 88)])
def test_limit_order_rests_without_a_message_and_fills_when_the_price_is_there(
    desk: Desk, members: dict[str, Any], price: str, sol: int
) -> None:
    order_id = desk.submit(members | {"type": "limit", "limitPrice": price})
    assert (desk.statuses(order_id), desk.watched()) == (RESTS, 1)
    assert desk.looks() == 0
    desk.move(Fraction(sol, 100))
    assert desk.looks() == 1
    assert desk.statuses(order_id) == [*RESTS, *FILLS]
    executed = Fraction(desk.told(order_id)["executedPrice"])
    assert executed >= Fraction(price) if members is SELL else executed <= Fraction(price)
    assert (desk.watched(), desk.looks()) == (0, 0)


def test_order_that_has_just_been_put_to_rest_fires_after_the_next_swap_of_ours(desk: Desk) -> None:
    desk.submit(SELL)
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    desk.move(Fraction(112, 100))
    desk.submit(SELL)
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == [*RESTS, *FILLS]


def test_resting_order_is_canceled_and_fires_no_more(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    desk.services.cancel_orders.cancel("local", order_id)
    desk.move(Fraction(112, 100))
    assert (desk.looks(), desk.watched()) == (0, 0)
    assert desk.statuses(order_id) == [*RESTS, S.CANCELED]


def test_order_that_is_canceled_after_it_fired_is_not_executed(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    desk.move(Fraction(112, 100))
    assert desk.services.price_watcher.look().fired == 1
    desk.services.cancel_orders.cancel("local", order_id)
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == [*RESTS, S.CANCELED]


def test_message_of_a_firing_that_is_over_does_nothing(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    for firing in (1, 7):
        desk.consumer.put(render_message(FiredMessage(order_id=order_id, firing=firing)))
    assert desk.consumer.run()[1] == []
    assert (desk.statuses(order_id), desk.watched()) == (RESTS, 1)


def test_doubled_message_executes_an_order_once(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    desk.move(Fraction(112, 100))
    desk.services.price_watcher.look()
    desk.consumer.put(render_message(FiredMessage(order_id=order_id, firing=1)))
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == [*RESTS, *FILLS]


def test_order_too_large_for_the_price_rests_quietly_and_is_left_alone_there(desk: Desk) -> None:
    """The first unit would get its limit, the whole size does not.

    No event, no attempt, no look at each price.
    """
    order_id = desk.submit(SELL | {"amount": "20000", "type": "limit", "limitPrice": "149"})
    assert desk.statuses(order_id) == RESTS
    assert (desk.looks(), desk.looks()) == (0, 0)
    desk.move(Fraction(115, 100))
    assert desk.looks() == 1
    assert desk.view(order_id).state.attempt == 1


def test_amended_order_fills_at_its_new_price_with_its_new_size(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160"})
    desk.services.amend_orders.amend("local", order_id, Amendment("170", amount="2"), if_seq=2)
    desk.move(Fraction(112, 100))
    assert desk.looks() == 0
    desk.services.amend_orders.amend("local", order_id, Amendment("165"), if_seq=3)
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == [*RESTS, S.OPEN, S.OPEN, *FILLS]
    assert (desk.told(order_id)["inputAmount"], desk.watched()) == ("2", 0)
    assert Fraction(desk.told(order_id)["executedPrice"]) >= 165


def fall_before_sending(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the price fall between the plan of a swap and its sending."""
    chain = desk.services.market.chain
    send = chain.send

    def after_a_fall(transactions: Sequence[SignedTransaction]) -> None:
        desk.move(Fraction(97, 100))
        send(transactions)

    monkeypatch.setattr(chain, "send", after_a_fall)


def test_order_that_the_ledger_refuses_at_its_limit_rests_again_and_uses_up_no_attempt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_before_sending(desk, monkeypatch)
    before = desk.height()
    order_id = desk.submit(SELL | {"amount": "100", "type": "limit", "limitPrice": "148"})
    assert desk.statuses(order_id) == [S.PENDING, *FILLS[:-1], S.OPEN]
    assert (
        desk.told(order_id)["reason"] == "the price moved beyond the order's limit before the swap could land"
    )
    state = desk.view(order_id).state
    assert (state.attempt, state.used_attempts) == (2, 1)
    monkeypatch.undo()
    desk.move(Fraction(1))
    desk.put_off(1_000_000)  # a busy machine may take longer than the few blocks for which it backs off
    assert desk.looks() == 0
    assert desk.put_off(-1_000_000) >= backoff_height(before, 1)
    desk.next_blocks(6)
    assert desk.looks() == 1
    assert desk.statuses(order_id)[-5:] == FILLS


def test_order_that_was_refused_at_its_limit_can_be_given_another_amount(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_before_sending(desk, monkeypatch)
    order_id = desk.submit(SELL | {"amount": "100", "type": "limit", "limitPrice": "148"})
    monkeypatch.undo()
    desk.services.amend_orders.amend("local", order_id, Amendment(amount="2"))
    desk.move(Fraction(1))
    desk.next_blocks(6)
    desk.looks()
    assert (desk.statuses(order_id)[-1], desk.told(order_id)["inputAmount"]) == (S.CONFIRMED, "2")


def test_order_that_was_refused_at_its_limit_can_be_canceled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_before_sending(desk, monkeypatch)
    order_id = desk.submit(SELL | {"amount": "100", "type": "limit", "limitPrice": "148"})
    desk.services.cancel_orders.cancel("local", order_id)
    assert (desk.statuses(order_id)[-2:], desk.watched()) == ([S.OPEN, S.CANCELED], 0)


def test_no_price_fires_nothing_and_is_told(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"trigger": {"price": "140", "when": "below", "confirmations": 1}})
    board = FaultBoard(desk.services.engine)
    try:
        board.set(Faults(venues={"raydium": VenueFault(is_down=True), "meteora": VenueFault(is_down=True)}))
        desk.move(Fraction(85, 100))
        watcher = market_watcher(desk.services.engine, desk.services.queue)
        assert (watcher.look().without_mark, watcher.has_marks()) == (1, False)
    finally:
        board.set(Faults())
    watcher = market_watcher(desk.services.engine, desk.services.queue)
    assert watcher.market_changed([pool.pool_id for pool in load_market().pools]).fired == 1
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, *FILLS]


def test_limit_order_that_is_to_be_filled_at_once_ends_without_resting(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160", "timeInForce": "ioc"})
    assert desk.statuses(order_id) == [S.PENDING, S.EXPIRED]
    assert desk.told(order_id)["code"] == Code.LIMIT_NOT_MET


def test_resting_order_expires_by_the_clock(desk: Desk) -> None:
    # On a busy machine it may be over before it rests.
    for seconds in (1, 4, 16, 64):
        order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "160", "validForSeconds": seconds})
        if desk.statuses(order_id) != [S.PENDING, S.EXPIRED]:
            break
    assert desk.statuses(order_id) == RESTS
    while not desk.looks():
        time.sleep(0.1)
    assert (desk.statuses(order_id), desk.watched()) == ([*RESTS, S.EXPIRED], 0)


def test_stop_survives_a_spike_of_one_block_and_fires_when_the_price_stays(desk: Desk) -> None:
    order_id = desk.submit(SELL | {"trigger": {"price": "140", "when": "below", "confirmations": 2}})
    assert (desk.statuses(order_id), desk.looks()) == (RESTS, 0)
    desk.move(Fraction(90, 100))
    assert desk.looks() == 0
    desk.move(Fraction(1))
    desk.next_blocks(1)
    assert desk.looks() == 0
    desk.move(Fraction(90, 100))
    desk.next_blocks(1)
    assert desk.looks() == 0
    desk.next_blocks(1)
    assert desk.looks() == 1
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, *FILLS]
    triggered = desk.services.queries.events_after(order_id, 2, limit=1)[0]
    seen = desk.services.event_views.fields(triggered)
    assert (seen["source"], seen["confirmations"], seen["triggerPrice"]) == ("mark", 2, "140")
    assert Fraction(seen["observedPrice"]) <= 140
    assert seen["height"] > 0


def test_stop_limit_rests_at_its_limit_once_it_has_fired(desk: Desk) -> None:
    trigger = {"price": "140", "when": "below", "confirmations": 1}
    order_id = desk.submit(SELL | {"type": "limit", "limitPrice": "145", "trigger": trigger})
    desk.move(Fraction(90, 100))
    assert desk.looks() == 1
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, S.OPEN]
    desk.move(Fraction(1))
    assert desk.looks() == 1
    assert desk.statuses(order_id)[-5:] == FILLS
    assert Fraction(desk.told(order_id)["executedPrice"]) >= 145


def test_trigger_that_is_met_already_is_refused_unless_told_otherwise(desk: Desk) -> None:
    said = {"price": "160", "when": "below", "confirmations": 1}
    refused = desk.submit(SELL | {"trigger": said})
    assert desk.statuses(refused) == [S.PENDING, S.FAILED]
    assert desk.told(refused)["code"] == Code.TRIGGER_ALREADY_MET
    order_id = desk.submit(SELL | {"trigger": said | {"ifAlreadyMet": "execute"}})
    assert desk.looks() == 1
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, *FILLS]


def test_stop_by_the_executable_rate_fires_where_its_own_size_gets_its_trigger(desk: Desk) -> None:
    stop = {"price": "142", "when": "below", "source": "executable"}
    small = desk.submit(SELL | {"trigger": stop})
    bought = desk.submit(SELL | {"side": "buy", "trigger": stop | {"price": "152", "when": "above"}})
    desk.move(Fraction(97, 100))
    desk.looks()
    assert desk.statuses(small) == RESTS
    desk.move(Fraction(92, 100))
    desk.looks()
    assert desk.statuses(small) == [*RESTS, S.TRIGGERED, *FILLS]
    (event,) = desk.services.queries.events_after(small, 2, limit=1)
    evidence = desk.services.event_views.fields(event)
    assert Fraction(str(evidence["observedPrice"])) <= 142
    assert evidence["height"] > 0
    assert desk.statuses(bought) == RESTS
    desk.move(Fraction(115, 100))
    desk.looks()
    assert desk.statuses(bought) == [*RESTS, S.TRIGGERED, *FILLS]


def test_profit_is_taken_at_what_the_size_itself_gets(desk: Desk) -> None:
    said = {"price": "160", "when": "above", "source": "executable"}
    order_id = desk.submit(SELL | {"trigger": said})
    desk.move(Fraction(110, 100))
    assert desk.looks() == 1
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, *FILLS]
    assert Fraction(desk.told(order_id)["executedPrice"]) >= 160
