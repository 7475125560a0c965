"""Mints that are in no list: learned once, and then orders that name one are executed like any other."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.mints import LearnMints
from chalicelib.services.ports import Offers
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import a_pool
from tests.fakes.orders import LIFE, an_order, changed

MINT, OTHER = "5xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi", "6xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"


class SomeMints:
    """``Mints`` that counts how often it is asked, and may not answer."""

    def __init__(self, **decimals: int) -> None:
        self.known = decimals
        self.asked: list[frozenset[str]] = []
        self.is_down = False

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        self.asked.append(frozenset(mints))
        if self.is_down:
            raise RetryableError("down")
        return {mint: self.known[mint] for mint in mints if mint in self.known}


def some_tokens() -> Tokens:
    listed = load_tokens()
    return Tokens(listed, listed.default_pair)


def test_market_is_asked_for_a_mint_once_and_for_listed_tokens_never() -> None:
    mints = SomeMints(**{MINT: 5})
    learn = LearnMints(some_tokens(), mints).learn
    assert learn(["SOL", "usdc", load_tokens()["SOL"].mint, "DOGE", ""]).find(MINT) is None
    assert mints.asked == []
    for _ in range(2):
        assert learn(["SOL", MINT])[MINT].scale == 5
    assert mints.asked == [{MINT}]
    learn([OTHER])
    learn([OTHER])
    assert mints.asked[1:] == [{OTHER}, {OTHER}]  # a pool of it may be known by now


def test_mints_that_cannot_be_asked_for_are_told_apart_from_those_that_are_not_known() -> None:
    mints = SomeMints(**{MINT: 5})
    learn = LearnMints(some_tokens(), mints)
    assert learn.learn_if_possible(["SOL", OTHER]) == ()
    mints.is_down = True
    assert learn.learn_if_possible(["SOL", MINT]) == {MINT}
    with pytest.raises(RetryableError):
        learn.learn([MINT])


def sale(**terms: Any) -> Order:
    return changed(an_order(), input_token=MINT, price_base=MINT, **terms)


def market(*pools: RoutablePool, mints: SomeMints | None = None) -> ConsumerOnFakes:
    consumer = ConsumerOnFakes(mints=mints or SomeMints(**{MINT: 5}))
    raydium = consumer.venues[0]
    raydium.offered = Offers([*raydium.offered.pools, *pools])
    return consumer


def found(pool_id: str, other: str = "USDC", *, price: int = 2, is_listed: bool = False) -> RoutablePool:
    made = a_pool(pool_id, tokens=(MINT, other), reserves=(10**15, price * 10**15))
    return made._replace(is_listed=is_listed)


def route(consumer: ConsumerOnFakes, order: Order) -> list[str]:
    (routed,) = [each for each in consumer.frames(order) if each["status"] == "routed"]
    return [leg["pool"] for leg in routed["route"]]


def test_mint_is_sold_where_a_pool_of_it_is_known_and_over_listed_pools_from_there() -> None:
    consumer = market(found("launch"))
    direct, onwards = sale(amount_units=10**6), sale(amount_units=10**6, output_token="SOL")
    consumer.execute(direct)
    assert consumer.statuses(direct) == LIFE
    assert route(consumer, direct) == ["launch"]
    assert consumer.frames(direct)[-1]["inputAmount"] == "10"
    consumer.execute(onwards)
    assert consumer.statuses(onwards) == LIFE
    assert route(consumer, onwards)[0] == "launch"
    assert len(route(consumer, onwards)) > 1


def test_orders_for_listed_tokens_do_not_go_through_a_mint_whoever_sells_it_too() -> None:
    cheap = found("in", price=10**6), found("out", "SOL", price=1)
    consumer, order = (
        market(*cheap),
        changed(an_order(), input_token="USDC", output_token="SOL", price_base="SOL"),
    )
    seller = sale(amount_units=10**6)
    consumer.execute(seller, order)
    assert consumer.statuses(seller) == consumer.statuses(order) == LIFE
    assert not {"in", "out"} & set(route(consumer, order))


def test_stop_limit_on_a_mint_rests_fires_by_its_mark_and_is_filled_at_its_limit() -> None:
    consumer = market(found("launch"))
    stop = Trigger(
        "100", When.BELOW, Rate.of(1, 1), Direction.AT_MOST, PriceSource.MARK, 1, IfAlreadyMet.REFUSE
    )
    order = sale(
        amount_units=10**6, order_type=OrderType.LIMIT, limit=Limit("90", Rate.of(9, 10)), trigger=stop,
        slippage_bps=None, time_in_force=TimeInForce.GTC, valid_for_s=None, valid_until=None,
    )  # fmt: skip
    consumer.execute(order)
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.OPEN)
    assert consumer.price_watcher.look().fired == 0
    raydium = consumer.venues[0]
    raydium.offered = Offers([a_pool("raydium-pool"), found("launch", price=1)])
    assert consumer.price_watcher.look().fired == 1
    (fired,) = [row.fired for row in consumer.tables.watches.rows.values() if row.fired]
    consumer.execute_orders.execute([Incoming(fired.order_id, firing=fired.firing, delivery=2)])
    triggered = (OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.TRIGGERED)
    assert consumer.statuses(order) == (*triggered, *LIFE[1:])
    (seen,) = [each for each in consumer.frames(order) if each["status"] == "triggered"]
    assert seen["observedPrice"] == "0.1"


def test_order_for_a_mint_waits_for_an_answer_and_those_beside_it_do_not() -> None:
    mints = SomeMints(**{OTHER: 5})
    mints.is_down = True
    pool = a_pool("launch", tokens=(OTHER, "USDC"))
    consumer, other = market(pool, mints=mints), an_order()
    order = changed(sale(amount_units=10**6), input_token=OTHER, price_base=OTHER)
    consumer.execute(order, other)
    assert consumer.statuses(other) == LIFE
    assert consumer.statuses(order) == (OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.ROUTING)
    mints.is_down = False
    consumer.clock.sleep(20)
    consumer.execute(order, delivery=2)
    assert consumer.statuses(order)[-1] is OrderStatus.CONFIRMED


def test_order_for_a_mint_of_which_no_pool_is_known_any_more_ends_without_a_route() -> None:
    consumer = market(mints=SomeMints())
    order = changed(sale(), input_token="3xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi")
    order = changed(order, price_base=order.terms.input_token)
    consumer.execute(order)
    assert consumer.failure_code(order) == "NO_ROUTE"
