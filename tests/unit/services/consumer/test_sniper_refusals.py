"""Sniper orders whose pool has opened and that rest again: after a refusal, without their venue, amended."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.ports import Offers
from tests.fakes.market import a_pool
from tests.unit.services.consumer.test_dead_letters import resolved
from tests.unit.services.consumer.test_sniper_step import Launchpad

# A stranger's pool of two listed tokens, at twice the price of all others: no rate of the pair shows it.
LAUNCH = a_pool("launch", reserves=(10**15, 4 * 10**14))._replace(is_listed=False)
BETTER_THAN_OTHERS = Limit("300", Rate.of(300, 1_000))
WORSE_THAN_OTHERS = Limit("100", Rate.of(100, 1_000))


def refused_at_its_limit(limit: Limit = BETTER_THAN_OTHERS) -> tuple[Launchpad, Order]:
    pad = Launchpad()
    order = pad.rests(limit=limit)
    pad.chain.status = SignatureStatus.REFUSED
    pad.opens(LAUNCH)
    assert pad.statuses(order)[-2:] == (OrderStatus.SUBMITTED, OrderStatus.OPEN)
    pad.chain.status = SignatureStatus.LANDED
    return pad, order


def test_order_that_was_refused_at_its_limit_is_looked_at_again_though_no_other_pool_offers_that() -> None:
    pad, order = refused_at_its_limit()
    pad.clock.sleep(3)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED


def test_order_is_left_alone_for_longer_with_each_refusal() -> None:
    pad, order = refused_at_its_limit()
    pad.chain.status = SignatureStatus.REFUSED
    for pause_s in (4, 8, 16):
        pad.clock.sleep(pause_s)
        pad.looks()
        pad.looks()
    assert pad.statuses(order).count(OrderStatus.SUBMITTED) == 4
    pad.clock.sleep(15)
    pad.looks()
    assert pad.statuses(order).count(OrderStatus.SUBMITTED) == 4


def looks_for(pad: Launchpad, order: Order, time: timedelta) -> int:
    """Look once a minute, at 400 ms a block, and return how many transactions an order had by then."""
    for _ in range(time // timedelta(minutes=1)):
        pad.clock.sleep(60)
        pad.chain.height += 150
        pad.looks()
    return pad.statuses(order).count(OrderStatus.SUBMITTED)


@pytest.mark.parametrize("limit", [BETTER_THAN_OTHERS, WORSE_THAN_OTHERS])
def test_order_that_is_refused_for_ever_costs_some_two_fees_an_hour_whatever_other_pools_offer(
    limit: Limit,
) -> None:
    pad, order = refused_at_its_limit(limit)
    pad.chain.status = SignatureStatus.REFUSED
    early = looks_for(pad, order, timedelta(hours=2))
    assert looks_for(pad, order, timedelta(hours=10)) - early < 10 * 3


def test_order_that_was_refused_too_often_is_looked_at_within_half_an_hour_as_no_rate_shows_its_pool() -> (
    None
):
    pad, order = refused_at_its_limit()
    pad.chain.status = SignatureStatus.REFUSED
    while "tried again" not in str(pad.consumer.tables.events[order.order_id][-1].what):
        looks_for(pad, order, timedelta(minutes=1))
    pad.consumer.venues[0].offered = Offers([LAUNCH._replace(state=a_pool(reserves=(10**15, 10**15)).state)])
    pad.chain.status = SignatureStatus.LANDED
    looks_for(pad, order, timedelta(minutes=31))
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED


@pytest.mark.parametrize(
    ("usdc", "end"), [(99_600_000_000_000, OrderStatus.CONFIRMED), (99_000_000_000_000, OrderStatus.FAILED)]
)
def test_order_without_a_limit_that_rests_after_a_leg_was_refused_accepts_no_worse_than_it_did(
    usdc: int, end: OrderStatus
) -> None:
    pad = Launchpad()
    order, raydium = pad.rests(), pad.consumer.venues[0]
    pad.chain.status, pad.chain.is_leg_refusal = SignatureStatus.REFUSED, True
    pad.opens(a_pool("launch", reserves=(10**15, 10**14)))
    raydium.offered = Offers([])
    pad.consumer.execute_orders.execute([Incoming(order.order_id, delivery=2)])
    assert pad.statuses(order)[-2:] == (OrderStatus.ROUTING, OrderStatus.OPEN)
    raydium.offered = Offers([a_pool("launch", reserves=(10**15, usdc))])
    pad.chain.status = SignatureStatus.LANDED
    pad.clock.sleep(60)
    pad.looks()
    assert pad.statuses(order)[-1] is end
    refused, *_ = accepted = [sent.threshold_units for sent in pad.chain.signed.values()]
    assert all(units >= refused for units in accepted)


def test_order_without_a_limit_that_rests_does_so_after_an_outage_that_used_up_its_message() -> None:
    pad = Launchpad()
    order, raydium = pad.rests(), pad.consumer.venues[0]
    pad.chain.status, pad.chain.is_leg_refusal = SignatureStatus.REFUSED, True
    launch = a_pool("launch", reserves=(10**15, 10**14))
    pad.opens(launch)
    raydium.offered = Offers([])
    pad.consumer.execute_orders.execute([Incoming(order.order_id, delivery=2)])
    pad.clock.sleep(60)
    pad.consumer.price_watcher.look()
    (fired,) = pad.consumer.queue.messages[-1:]
    assert resolved(pad.consumer, fired)
    assert pad.statuses(order)[-1] is OrderStatus.OPEN
    raydium.offered, pad.chain.status = Offers([launch]), SignatureStatus.LANDED
    pad.clock.sleep(60)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED


def test_order_is_looked_at_again_once_its_venue_answers() -> None:
    pad, order = refused_at_its_limit()
    raydium = pad.consumer.venues[0]
    answer, raydium.offered = raydium.offered, Offers([])
    pad.clock.sleep(3)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.OPEN
    assert pad.consumer.price_watcher.look().fired == 0
    raydium.offered = answer
    pad.clock.sleep(60)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED


def test_order_whose_pool_is_gone_is_left_alone_for_a_while_each_time() -> None:
    pad, order = refused_at_its_limit()
    raydium = pad.consumer.venues[0]
    raydium.offered = Offers([a_pool()])
    opening = pad.by_pool.pop(LAUNCH.pool_id)
    pad.clock.sleep(60)
    pad.looks()
    assert pad.consumer.price_watcher.look().fired == 0
    pad.by_pool[LAUNCH.pool_id], raydium.offered = opening, Offers([LAUNCH])
    pad.clock.sleep(60)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED


def test_order_that_is_amended_is_looked_at_by_its_new_limit() -> None:
    pad, order = refused_at_its_limit()

    def lower(state: OrderState) -> Order:
        terms = replace(state.order.terms, limit=Limit("299", Rate.of(299, 1_000)))
        return replace(state.order, terms=terms)

    amended_at = pad.clock.now() + timedelta(milliseconds=1)
    assert pad.consumer.record.amend("alice", order.order_id, amended_at, lower, {"limitPrice": "299"})
    pad.clock.sleep(0.002)
    pad.looks()
    assert pad.statuses(order)[-1] is OrderStatus.CONFIRMED
