"""Sniper orders from submission to their end.

What opened before does not count, and refusals name the filter.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.damm_v2_schedule import BaseFee, SchedulerMode
from chalicelib.domain.launches import Opening, SeenOpenings, Sniper
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.tokens import NEW_MINT, new_token
from chalicelib.domain.watches import DirectedPair
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.ports import ChainTime, Offers
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import a_pool
from tests.fakes.orders import LIFE, NOON, an_order, changed
from tests.unit.services.resting.test_launching import falling_pool

MINT = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
PENDING, OPEN, TRIGGERED, FAILED = (
    OrderStatus.PENDING,
    OrderStatus.OPEN,
    OrderStatus.TRIGGERED,
    OrderStatus.FAILED,
)
BOUGHT = (PENDING, OPEN, TRIGGERED, *LIFE[1:])


class Launchpad:
    """A consumer in whose market pools open."""

    def __init__(self) -> None:
        self.by_pool: dict[str, Opening] = {}
        self.consumer = ConsumerOnFakes(openings=self)
        self.chain, self.clock = self.consumer.chain, self.consumer.clock
        self.chain_time: ChainTime | None = None

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        assert pairs
        if any(pair.output_token == NEW_MINT for pair in pairs):
            return SeenOpenings(self.chain.height, self.by_pool)
        tokens = {
            pool.pool_id: set(pool.tokens) for each in self.consumer.venues for pool in each.offered.pools
        }
        wanted = [set(pair) for pair in pairs]
        return SeenOpenings(
            self.chain.height,
            {id_: at for id_, at in self.by_pool.items() if tokens.get(id_) in (None, *wanted)},
        )

    def opens(
        self,
        pool: RoutablePool,
        *,
        after_s: float = 1.0,
        blocks_ago: int = 0,
        found_after_s: float | None = None,
    ) -> None:
        """Open a pool so long after the orders were accepted, and let what waits for it be looked at."""
        at = NOON + timedelta(seconds=after_s)
        found_at = None if found_after_s is None else NOON + timedelta(seconds=found_after_s)
        self.by_pool[pool.pool_id] = Opening(self.chain.height - blocks_ago, at, found_at)
        venue = next(each for each in self.consumer.venues if each.name == pool.venue)
        venue.offered = Offers([*venue.offered.pools, pool], chain_time=self.chain_time)
        self.looks()

    def looks(self) -> None:
        self.consumer.price_watcher.look()
        self.execute_fired()

    def execute_fired(self) -> None:
        """Have all that has fired looked at: what rests then is armed again."""
        watches = self.consumer.tables.watches
        fired = [row.fired for row in watches.rows.values() if row.fired]
        self.consumer.execute_orders.execute(
            [Incoming(each.order_id, firing=each.firing, delivery=2) for each in fired]
        )
        assert [row for row in watches.rows.values() if row.fired] == []

    def rests(
        self,
        sniper: Sniper | None = None,
        limit: Limit | None = None,
        wanted: str = "USDC",
        decimals: int | None = None,
    ) -> Order:
        order = changed(
            an_order(), output_token=wanted,
            order_type=OrderType.SNIPER, sniper=sniper or Sniper(), time_in_force=TimeInForce.GTC,
            valid_for_s=None, limit=limit, slippage_bps=50 if limit is None else None,
            output_decimals=decimals,
        )  # fmt: skip
        order = replace(order, valid_until=None)
        self.consumer.execute(order)
        assert self.consumer.statuses(order) == (PENDING, OPEN)
        return order

    def statuses(self, order: Order) -> tuple[OrderStatus, ...]:
        return self.consumer.statuses(order)


def test_order_buys_from_the_pool_that_opens_and_from_no_other() -> None:
    pad = Launchpad()
    order = pad.rests()
    pad.opens(a_pool("launch", reserves=(10**15, 10**14)))
    assert pad.statuses(order) == BOUGHT
    (sent,) = pad.chain.signed.values()
    assert [leg.pool_id for path in sent.paths for hop in path.hops for leg in hop] == ["launch"]
    (evidence,) = [each for each in pad.consumer.frames(order) if each["status"] == "triggered"]
    assert (evidence["pool"], evidence["venue"], evidence["feeBps"]) == ("launch", "raydium", "25.00")


def test_pool_that_opened_before_the_order_was_accepted_does_not_count() -> None:
    pad = Launchpad()
    order = pad.rests()
    pad.opens(a_pool("older"), after_s=-0.001)
    assert pad.statuses(order) == (PENDING, OPEN)


def test_pool_of_another_venue_is_passed_over_and_looked_at_once() -> None:
    pad = Launchpad()
    order = pad.rests(Sniper(venue="meteora"))
    pad.opens(a_pool("elsewhere", "raydium"))
    assert pad.statuses(order) == (PENDING, OPEN)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.opens(a_pool("elsewhere too", "raydium"), after_s=2)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.opens(a_pool("launch", "meteora"), after_s=3)
    assert pad.statuses(order) == BOUGHT


def test_refusal_names_the_filter_that_the_launch_does_not_pass() -> None:
    pad = Launchpad()
    thin = pad.rests(Sniper(min_liquidity_units=10**15 + 1))
    late = pad.rests(Sniper(max_delay_blocks=5))
    pad.opens(a_pool("launch"), blocks_ago=6)
    for order, problem in (
        (thin, "sniper.minLiquidity: it holds 1000000 SOL, less than 1000000.000000001"),
        (late, "sniper.maxDelayBlocks: that was 6 blocks ago, more than 5 (its fee: 25.00 bps)"),
    ):
        assert pad.statuses(order) == (PENDING, OPEN, FAILED)
        assert pad.consumer.failure_code(order) == "LAUNCH_FILTERED"
        assert pad.consumer.frames(order)[-1]["message"].endswith(problem)


def test_order_waits_until_the_fee_has_come_down_and_no_longer() -> None:
    pad = Launchpad()
    order = pad.rests(Sniper(max_fee_bps=100))
    fee = BaseFee(100_000_000, 10, 6, 9_750_000, SchedulerMode.LINEAR)  # 1000 bps, down to 25 in a minute
    pad.opens(falling_pool(fee, opens_at_s=int(pad.clock.now().timestamp())))
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.clock.sleep(59)
    pad.looks()
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.clock.sleep(2)
    pad.looks()
    assert pad.statuses(order) == BOUGHT


def test_order_that_waits_for_the_fees_of_several_pools_buys_from_the_first_that_has_come_down() -> None:
    pad = Launchpad()
    order, opens_at_s = pad.rests(Sniper(max_fee_bps=100)), int(pad.clock.now().timestamp())
    for after_s, (pool_id, slices_s) in enumerate((("slow", 60), ("quick", 6), ("slower", 90)), 1):
        fee = BaseFee(100_000_000, 10, slices_s, 9_750_000, SchedulerMode.LINEAR)
        launch = falling_pool(fee, opens_at_s=opens_at_s)._replace(pool_id=pool_id)
        pad.opens(launch, after_s=after_s)
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.clock.sleep(61)
    pad.looks()
    assert pad.statuses(order) == BOUGHT
    (sent,) = pad.chain.signed.values()
    assert [leg.pool_id for path in sent.paths for hop in path.hops for leg in hop] == ["quick"]


def test_order_whose_pools_fee_never_comes_down_is_left_alone_until_it_is_another() -> None:
    pad = Launchpad()
    order = pad.rests(Sniper(max_fee_bps=10))
    pad.opens(a_pool("launch", reserves=(10**15, 10**14)))
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.clock.sleep(240)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.clock.sleep(61)
    pad.looks()
    assert pad.statuses(order) == (PENDING, OPEN)


def test_order_that_waits_for_a_fee_ends_when_its_blocks_have_passed() -> None:
    pad = Launchpad()
    order = pad.rests(Sniper(max_fee_bps=100, max_delay_blocks=50))
    fee = BaseFee(100_000_000, 10, 600, 9_750_000, SchedulerMode.LINEAR)
    now_s = int(pad.clock.now().timestamp())
    pad.chain_time = ChainTime(now_s, 0, 0.2)
    pad.opens(falling_pool(fee, opens_at_s=now_s))
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.clock.sleep(10.1)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.clock.sleep(0.1)
    pad.chain.height += 51
    pad.looks()
    assert pad.statuses(order) == (PENDING, OPEN, FAILED)


def test_order_with_a_limit_is_triggered_by_the_launch_and_waits_for_its_price() -> None:
    pad = Launchpad()
    order = pad.rests(limit=Limit("150", Rate.of(150, 1_000)))
    pad.opens(a_pool("launch", reserves=(10**15, 10**14)))
    assert pad.statuses(order) == (PENDING, OPEN, TRIGGERED, OPEN)
    assert pad.consumer.price_watcher.look().fired == 0
    raydium = pad.consumer.venues[0]
    raydium.offered = Offers([a_pool("launch", reserves=(10**15, 2 * 10**14))])
    pad.clock.sleep(3)
    pad.looks()
    assert pad.statuses(order) == (*BOUGHT[:3], OPEN, *BOUGHT[3:])


def test_opening_at_a_venue_that_does_not_answer_is_not_slept_through() -> None:
    pad = Launchpad()
    order = pad.rests()
    raydium = pad.consumer.venues[0]
    offered = raydium.offered
    pad.by_pool["launch"] = Opening(pad.chain.height, NOON + timedelta(seconds=1))
    pad.opens(a_pool("elsewhere", "meteora", tokens=("WIF", "USDC")))
    assert pad.statuses(order) == (PENDING, OPEN)
    raydium.offered = Offers([*offered.pools, a_pool("launch")])
    pad.looks()
    assert pad.statuses(order) == BOUGHT


def test_opening_whose_venue_does_not_answer_the_consumer_is_not_slept_through() -> None:
    pad = Launchpad()
    order, raydium = pad.rests(), pad.consumer.venues[0]
    pad.by_pool["launch"] = Opening(pad.chain.height, NOON + timedelta(seconds=1))
    silent, raydium.offered = raydium.offered, Offers([*raydium.offered.pools, a_pool("launch")])
    assert pad.consumer.price_watcher.look().fired == 1
    answer, raydium.offered = raydium.offered, silent
    pad.execute_fired()
    assert pad.statuses(order) == (PENDING, OPEN)
    raydium.offered = answer
    pad.looks()
    assert pad.statuses(order) == BOUGHT


def test_mint_with_other_decimals_than_the_order_says_ends_it_and_the_message_names_both() -> None:
    pad, mint = Launchpad(), "8xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFiz"
    limit = Limit("1", Rate.of(1, 10_000))
    right, wrong = (pad.rests(limit=limit, wanted=mint, decimals=said) for said in (5, 6))
    load_tokens().learn(new_token(mint, 5))
    pad.opens(a_pool("launch", tokens=("SOL", mint)))
    assert pad.statuses(right) == BOUGHT
    assert pad.statuses(wrong) == (PENDING, OPEN, FAILED)
    assert pad.consumer.failure_code(wrong) == "LAUNCH_FILTERED"
    problem = pad.consumer.frames(wrong)[-1]["message"]
    assert problem.endswith(f"does not pass sniper.decimals: {mint} has 5 decimals, not 6")


def test_order_that_says_decimals_waits_while_those_of_its_mint_are_not_known() -> None:
    pad, mint = Launchpad(), "4xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFiy"
    order = pad.rests(wanted=mint, decimals=5)
    pad.opens(a_pool("launch", tokens=("SOL", mint)))
    assert pad.statuses(order) == (PENDING, OPEN)
    assert pad.consumer.price_watcher.look().fired == 0
    load_tokens().learn(new_token(mint, 5))
    pad.clock.sleep(3)
    pad.looks()
    assert pad.statuses(order) == BOUGHT


def test_new_mint_is_bought_with_its_decimals_and_another_mints_pool_wakes_an_order_once() -> None:
    pad, others = Launchpad(), "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
    order, waiting = pad.rests(wanted=MINT), pad.rests(wanted=others)
    load_tokens().learn(new_token(MINT, 5))
    pad.opens(a_pool("launch", tokens=("SOL", MINT)))
    assert pad.statuses(order) == BOUGHT
    assert "." in pad.consumer.frames(order)[-1]["outputAmount"]
    assert pad.statuses(waiting) == (PENDING, OPEN)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.opens(a_pool("other", tokens=("SOL", MINT)), after_s=2)
    assert pad.consumer.price_watcher.look().fired == 0


IN_A_YEAR = {"after_s": 365 * 86_400.0, "blocks_ago": -70_000_000}


@pytest.mark.parametrize("venue", ["raydium", "meteora"])
def test_pool_that_says_to_open_in_a_year_keeps_no_order_from_one_that_opens_now(venue: str) -> None:
    """Anyone can make one, also for another venue than the order is for."""
    pad = Launchpad()
    order = pad.rests(Sniper(venue="raydium"))
    pad.opens(a_pool("in a year", venue), **IN_A_YEAR)  # type: ignore[arg-type]  # numbers
    late = pad.rests(Sniper(venue="raydium"))
    pad.clock.sleep(0.3)
    assert pad.consumer.price_watcher.look().fired == 0
    pad.opens(a_pool("launch", reserves=(10**15, 10**14)))
    assert pad.statuses(order) == BOUGHT
    assert pad.statuses(late) == BOUGHT


def test_pool_of_another_mint_that_says_to_open_in_a_year_keeps_no_order_from_its_own() -> None:
    pad, mint = Launchpad(), "6xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFiw"
    load_tokens().learn(new_token(mint, 5))
    order = pad.rests(wanted=mint)
    pad.opens(a_pool("in a year", tokens=("SOL", MINT)), **IN_A_YEAR)  # type: ignore[arg-type]  # numbers
    pad.opens(a_pool("launch", tokens=("SOL", mint)))
    assert pad.statuses(order) == BOUGHT


def test_pool_that_is_found_after_another_mints_that_opened_later_is_not_slept_through() -> None:
    pad, mint = Launchpad(), "6xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFiw"
    load_tokens().learn(new_token(mint, 5))
    order = pad.rests(wanted=mint)
    pad.opens(a_pool("other", tokens=("SOL", MINT)), after_s=3, found_after_s=4)
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.opens(a_pool("launch", tokens=("SOL", mint)), after_s=2, found_after_s=9)
    assert pad.statuses(order) == BOUGHT


def test_pool_that_opened_before_the_order_and_is_found_after_it_is_looked_at_once() -> None:
    pad = Launchpad()
    order = pad.rests()
    pad.opens(a_pool("older"), after_s=-1, found_after_s=2)
    assert pad.statuses(order) == (PENDING, OPEN)
    assert pad.consumer.price_watcher.look().fired == 0


def test_order_whose_consumer_sees_an_older_block_than_what_fired_it_is_looked_at_again() -> None:
    pad = Launchpad()
    order = pad.rests()
    venue = pad.consumer.venues[0]
    pad.by_pool["launch"] = Opening(pad.chain.height, NOON + timedelta(seconds=1))
    before, venue.offered = venue.offered, Offers([*venue.offered.pools, a_pool("launch")])
    pad.consumer.price_watcher.look()
    # The consumer asks another node of the fleet.
    venue.offered, opening = before, pad.by_pool.pop("launch")
    pad.chain.height -= 1
    pad.execute_fired()
    assert pad.statuses(order) == (PENDING, OPEN)
    pad.chain.height += 1
    venue.offered, pad.by_pool["launch"] = Offers([*before.pools, a_pool("launch")]), opening
    pad.looks()
    assert pad.statuses(order) == BOUGHT
