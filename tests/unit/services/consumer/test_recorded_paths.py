"""Orders that wait, from acceptance to what ends that, on recorded paths: as a loop over all of them says.

Sizes against their own quotes, marks that hold, what is met already, pools that open: each order by itself.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from uuid import UUID

import pytest

from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.launches import Opening, SeenOpenings, Sniper
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import DirectedPair
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.ports import Offers
from chalicelib.services.resting.matcher import GAP_BLOCKS_MAX
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.orders import NOON, an_order, changed
from tests.support.price_paths import DEPTH, FEE_RATE, a_path
from tests.support.slow_orders import End, NewPool, Road
from tests.unit.services.test_mints import SomeMints

BLOCK_S = 0.4
LISTED, MINT = "RAY", "7xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"
DECIMALS = {LISTED: 6, MINT: 5}
LOOKS, ORDERS = 40, 80
SIZES = (10**4, 10**8, 10**10)


def moment(height: int, place: int) -> datetime:
    """When a look is taken: a little after its block began, so that a time in that block has come."""
    return NOON + timedelta(seconds=(height - 1_000) * BLOCK_S, milliseconds=place)


def a_road(dice: Random) -> Road:
    path = a_path(dice, looks=LOOKS, gap_max=GAP_BLOCKS_MAX)
    main = [CpmmPool(DEPTH, int(look.price * DEPTH), CpmmFees(FEE_RATE, 0, 0)) for look in path]
    new_pools = []
    for number in range(dice.randint(2, 6)):
        place = dice.randrange(len(path))
        height = path[place].height - dice.choice([0, 0, 0, 3])
        fees = CpmmFees(dice.choice([2_500, 10_000]), 0, 0)
        state = CpmmPool(DEPTH, dice.choice([10**10, 10**12]), fees)
        token, venue = dice.choice([LISTED, MINT]), dice.choice(["raydium", "meteora"])
        # Before the look that shows it, and after orders that were accepted before the one before.
        opening = Opening(height, moment(path[place].height, place) - timedelta(milliseconds=0.5))
        new_pools.append(
            NewPool(RoutablePool(f"new-{number}", venue, (token, "USDC"), state), opening, place)
        )
    return Road(path, main, new_pools, DECIMALS, GAP_BLOCKS_MAX)


def a_price(dice: Random, road: Road, given: str) -> tuple[str, Rate]:
    """Return a price near one of the path's, in SOL's units for USDC's, and the rate that it is."""
    price = Fraction(round(dice.choice(road.path).price * dice.randint(950, 1_050)), 1_000)
    rate = Rate.of(price.numerator, price.denominator)
    return str(float(price)), rate if given == "SOL" else rate.inverse()


def an_order_that_waits(dice: Random, road: Road, at: datetime) -> Order:
    given, wanted = dice.choice([("SOL", "USDC"), ("USDC", "SOL")])
    kind = dice.choice(["limit", "mark", "executable", "executable", "sniper"])
    said: dict[str, Any] = {
        "input_token": given,
        "output_token": wanted,
        "price_base": "SOL",
        "swap_mode": dice.choice(list(SwapMode)),
        "amount_units": dice.choice(SIZES) + dice.randint(0, 9),
        "slippage_bps": 2_000,
        "valid_for_s": None,
        "time_in_force": TimeInForce.GTC,
    }
    price, rate = a_price(dice, road, given)
    if kind == "sniper":
        said |= a_sniper(dice)
    elif kind == "limit":
        said |= {"order_type": OrderType.LIMIT, "limit": Limit(price, rate), "slippage_bps": None}
    else:
        source = PriceSource(kind)
        said["trigger"] = Trigger(
            price,
            When.ABOVE,
            rate,
            dice.choice(list(Direction)),
            source,
            dice.choice([1, 2, 2, 5, 10]) if source is PriceSource.MARK else 1,
            dice.choice(list(IfAlreadyMet)),
        )
    return changed(an_order(accepted_at=at), valid_until=None, **said)


def a_sniper(dice: Random) -> dict[str, Any]:
    token = dice.choice([LISTED, MINT])
    filters = [
        Sniper(),
        Sniper(venue="meteora"),
        Sniper(min_liquidity_units=10**11),
        Sniper(max_fee_bps=50),
        Sniper(max_fee_bps=50, max_delay_blocks=dice.choice([0, 2, 9])),
        Sniper(max_delay_blocks=2),
    ]
    return {
        "order_type": OrderType.SNIPER,
        "swap_mode": SwapMode.EXACT_IN,
        "input_token": "USDC",
        "output_token": token,
        "price_base": "USDC",
        "amount_units": 10**4,
        "sniper": dice.choice(filters),
        "output_decimals": dice.choice([None, 5, 6]) if token == MINT else None,
    }


class Drive:
    """The consumer and the looks, along a road."""

    def __init__(self, road: Road) -> None:
        self.road, self.place = road, 0
        self.consumer = ConsumerOnFakes(openings=self, mints=SomeMints(**{MINT: DECIMALS[MINT]}))
        self.ends: dict[UUID, End] = {}
        self._told: dict[UUID, int] = {}

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        wanted = {frozenset(MINT if token == NEW_MINT else token for token in pair) for pair in pairs}
        shown = {
            each.pool.pool_id: each.opening for each in self._shown() if frozenset(each.pool.tokens) in wanted
        }
        return SeenOpenings(self.consumer.chain.height, shown)

    def along(self, waiting: list[tuple[Order, int]]) -> dict[UUID, End]:
        """Take every look of the road; return what ended each order's wait, and at which look."""
        for place in range(len(self.road.path)):
            self._reach(place)
            for order, accepted in waiting:
                if accepted == place:
                    self.consumer.execute(order)
            self.consumer.price_watcher.look()
            fired = [row.fired for row in self.consumer.tables.watches.rows.values() if row.fired]
            for each in fired:
                self.consumer.execute_orders.execute(
                    [Incoming(each.order_id, firing=each.firing, delivery=2)]
                )
            self._note(waiting)
        return self.ends

    def _reach(self, place: int) -> None:
        consumer, look = self.consumer, self.road.path[place]
        self.place, consumer.chain.height = place, look.height
        consumer.clock.sleep((moment(look.height, place) - consumer.clock.now()).total_seconds())
        main = RoutablePool("main", "raydium", ("SOL", "USDC"), self.road.main[place])
        for venue in consumer.venues:
            new = [each.pool for each in self._shown() if each.pool.venue == venue.name]
            venue.offered = Offers([main, *new] if venue.name == "raydium" else new)

    def _shown(self) -> list[NewPool]:
        return [each for each in self.road.new_pools if each.place <= self.place]

    def _note(self, waiting: list[tuple[Order, int]]) -> None:
        for order, _ in waiting:
            events = self.consumer.tables.events.get(order.order_id, ())
            for event in events[self._told.get(order.order_id, 0) :]:
                what = event.status.value
                if what == "failed":
                    what = str(event.what.fields["code"])  # type: ignore[union-attr]  # as it is on record
                if order.order_id not in self.ends and what in ENDS:
                    self.ends[order.order_id] = End(what, self.place)
            self._told[order.order_id] = len(events)


ENDS = ("triggered", "confirmed", "TRIGGER_ALREADY_MET", "LAUNCH_FILTERED")


@pytest.mark.parametrize("seed", range(6))
def test_orders_end_their_wait_where_a_loop_over_all_of_them_says(seed: int) -> None:
    dice = Random(seed)
    road = a_road(dice)
    # It never fires, and has every look noted, also those before another order waits for the mark.
    first = changed(
        an_order_that_waits(dice, road, NOON), order_type=OrderType.MARKET, sniper=None, limit=None,
        input_token="SOL", output_token="USDC", slippage_bps=2_000, output_decimals=None,
        trigger=Trigger("9", When.ABOVE, Rate(10**9, 1), Direction.AT_LEAST, PriceSource.MARK, 10,
                        IfAlreadyMet.REFUSE),
    )  # fmt: skip
    waiting = [(first, 0)]
    for number in range(ORDERS):
        place = dice.choice([0, 0, dice.randrange(LOOKS)])
        order = an_order_that_waits(dice, road, moment(road.path[place].height, place))
        waiting.append((replace(order, order_id=UUID(int=number + 1)), place))
    expected = road.ends(waiting)
    assert Drive(road).along(waiting) == expected
    assert {end.what for end in expected.values()} == set(ENDS)
