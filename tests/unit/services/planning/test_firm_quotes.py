"""Firm quotes from the venue that makes them to the transaction that takes one."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.errors import RefusedError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, InstructedQuote
from chalicelib.routing.firm_quotes import FirmQuote, FixedAmounts, WantedSwap
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.planning.planner import PlannedSwap, Planner, instruction, wanted_by
from chalicelib.services.planning.quotes import QuoteSwaps
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import Offers, Venue
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.venue_views import venues_view
from tests.fakes.inline import InOneThread
from tests.fakes.market_maker import FakeMaker
from tests.fakes.orders import NOON, VIEWS, an_order, changed
from tests.fakes.ports import FrozenClock

SOL = 10**9
POOL = RoutablePool("pool", "amm", ("SOL", "USDC"), CpmmPool(10**15, 15 * 10**13, CpmmFees(2_500, 0, 0)))
GENEROUS, MEAN = Fraction(16, 100), Fraction(14, 100)


class PoolVenue:
    """A venue of one pool, at 150 USDC for a SOL, that looks at nothing that is wanted."""

    name = "amm"

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        del wanted
        return Offers(pools=[POOL])


class Promising:
    """A venue that promises whatever a test wants it to."""

    def __init__(self, *quotes: FirmQuote, name: str = "maker") -> None:
        self.name = name
        self._quotes = quotes

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        del wanted
        return Offers(firm_quotes=self._quotes)


def a_maker(rate: Fraction, amount_in_max: int | None = None) -> FakeMaker:
    return FakeMaker({("SOL", "USDC"): rate}, amount_in_max=amount_in_max)


def a_promise(quote_id: str = "q", venue: str = "maker", holds_s: int = 2) -> FirmQuote:
    ends = NOON + timedelta(seconds=holds_s)
    return FirmQuote(quote_id, venue, "SOL", "USDC", ends, FixedAmounts(SOL, 160 * 10**6))


def collector(*venues: Venue) -> QuoteCollector:
    return QuoteCollector(venues, InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)


def wish(mode: SwapMode = SwapMode.EXACT_IN, amount: int = SOL) -> SwapWish:
    return SwapWish(mode, "SOL", "USDC", amount, "SOL")


def planner(*venues: Venue, wanted: Sequence[SwapWish]) -> Planner:
    answers = collector(*venues).ask([wanted_by(each) for each in wanted])
    return Planner(answers, load_tokens())


def shown(planned: PlannedSwap) -> JsonObject:
    """Return what a client is shown of a plan."""
    return VIEWS.routes.route(planned.route)


@pytest.mark.parametrize("amount_in_max", [None, 10 * SOL])
@pytest.mark.parametrize(("mode", "amount"), [(SwapMode.EXACT_IN, SOL), (SwapMode.EXACT_OUT, 150 * 10**6)])
def test_better_quote_fills_the_order_and_a_worse_one_does_not(
    mode: SwapMode, amount: int, amount_in_max: int | None
) -> None:
    for rate, is_taken in ((GENEROUS, True), (MEAN, False)):
        planned = planner(PoolVenue(), a_maker(rate, amount_in_max), wanted=[wish(mode, amount)]).plan(
            wish(mode, amount)
        )
        assert (planned.plan.firm_quote is not None) is is_taken
        assert shown(planned)["route"][0]["venue"] == ("maker" if is_taken else "amm")


def test_client_is_shown_the_quote_beside_the_pools_without_fee_or_impact() -> None:
    said = shown(planner(PoolVenue(), a_maker(GENEROUS), wanted=[wish()]).plan(wish()))
    of_pool, of_maker = said["quotes"]
    assert (of_pool["venue"], of_pool["pool"]) == ("amm", "pool")
    assert (of_maker["venue"], of_maker["outputAmount"], of_maker["feeAmount"]) == ("maker", "160", "0")
    assert (of_maker["priceImpactBps"], said["priceImpactBps"]) == ("0.00", "0.00")
    assert (said["outputAmount"], said["fees"]) == ("160", [{"token": "SOL", "amount": "0"}])
    assert (said["bestSingleVenue"]["venue"], said["routeGapBps"]) == ("maker", "0.000000")


def test_each_quote_fills_one_order_of_a_batch() -> None:
    plans = planner(PoolVenue(), a_maker(GENEROUS), wanted=[wish()])
    assert plans.plan(wish()).plan.firm_quote is not None
    assert plans.plan(wish()).plan.firm_quote is None

    both = planner(PoolVenue(), a_maker(GENEROUS), wanted=[wish(), wish()])
    first, second = both.plan(wish()).plan.firm_quote, both.plan(wish()).plan.firm_quote
    assert first is not None
    assert second is not None
    assert first.quote_id != second.quote_id


@pytest.mark.parametrize("mode", list(SwapMode))
def test_transaction_takes_the_quote_by_its_id_and_holds_it_to_its_word(mode: SwapMode) -> None:
    amount = SOL if mode is SwapMode.EXACT_IN else 160 * 10**6
    plan = planner(a_maker(GENEROUS), wanted=[wish(mode, amount)]).plan(wish(mode, amount)).plan
    made = instruction(OrderState(changed(an_order(), swap_mode=mode)), plan)
    assert made.firm_quote == InstructedQuote("maker", "maker-1")
    assert made.paths == (InstructedPath(("SOL", "USDC"), ((InstructedLeg("maker-1", amount),),)),)
    assert made.threshold_units == (plan.amount_out if mode is SwapMode.EXACT_IN else plan.amount_in)


def test_transaction_over_pools_takes_no_quote_and_has_the_orders_tolerance() -> None:
    plan = planner(PoolVenue(), wanted=[]).plan(wish()).plan
    made = instruction(OrderState(an_order()), plan)
    assert made.firm_quote is None
    assert made.threshold_units < plan.amount_out


@pytest.mark.parametrize(
    "promise",
    [
        a_promise(holds_s=1),
        a_promise(venue="somewhere else"),
        a_promise(quote_id="pool"),
        a_promise(quote_id=""),
        a_promise(quote_id="q" * 129),
    ],
    ids=["too short", "of another venue", "a pool's id", "no id", "a long id"],
)
def test_quote_that_cannot_be_counted_on_or_told_apart_is_left_out(promise: FirmQuote) -> None:
    answers = collector(PoolVenue(), Promising(promise)).ask()
    assert answers.firm_quotes == ()
    assert answers.problems == {}
    assert Planner(answers, load_tokens()).plan(wish()).plan.firm_quote is None


def test_of_two_quotes_with_one_id_only_the_first_counts() -> None:
    answers = collector(Promising(a_promise()), Promising(a_promise(venue="b"), name="b")).ask()
    assert [quote.venue for quote in answers.firm_quotes] == ["maker"]


def test_maker_that_is_down_leaves_the_pools_to_fill_the_order() -> None:
    maker = a_maker(GENEROUS)
    maker.is_down = True
    planned = planner(PoolVenue(), maker, wanted=[wish()]).plan(wish())
    assert planned.plan.firm_quote is None
    assert shown(planned)["quotes"][1] == {"venue": "maker", "error": "no answer"}


def test_order_that_neither_pool_nor_quote_fills_is_refused() -> None:
    with pytest.raises(RefusedError, match="no venue trades"):
        planner(a_maker(GENEROUS), wanted=[]).plan(wish())


def test_mere_quote_asks_makers_for_what_is_wanted() -> None:
    maker = a_maker(GENEROUS)
    swaps = QuoteSwaps(collector(PoolVenue(), maker), load_tokens())
    answers = swaps.venues()
    listed = venues_view(answers.venues, answers.pools, answers.problems, load_tokens())["venues"]
    assert listed[1] == {"venue": "maker", "pools": []}
    assert maker.asked == []
