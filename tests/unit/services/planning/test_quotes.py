"""Quotes: what an order would get, for no order."""

from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.errors import Code, RefusedError, VenueUnavailableError
from chalicelib.services.planning.quotes import QuoteSwaps
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.wire.fields import validated
from chalicelib.wire.order_fields import SwapFields, swap_terms
from chalicelib.wire.venue_views import venues_view
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool
from tests.fakes.orders import VIEWS
from tests.fakes.ports import FrozenClock


@pytest.fixture
def venues() -> list[FakeVenue]:
    return [FakeVenue("raydium"), FakeVenue("meteora")]


@pytest.fixture
def quote_swaps(venues: list[FakeVenue]) -> QuoteSwaps:
    collector = QuoteCollector(venues, InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    return QuoteSwaps(collector, load_tokens())


def quoted(quote_swaps: QuoteSwaps, **members: Any) -> dict[str, Any]:
    fields = validated(SwapFields, {"inputToken": "SOL", "outputToken": "USDC", "amount": "1"} | members)
    quote = quote_swaps.quote(swap_terms(fields, load_tokens()))
    return VIEWS.routes.quote(quote.route, at=quote.at, valid_until=quote.valid_until)


def test_quote_says_what_comes_out_and_until_when_that_holds(quote_swaps: QuoteSwaps) -> None:
    quote = quoted(quote_swaps)
    assert (quote["inputToken"], quote["outputToken"]) == ("SOL", "USDC")
    # 200 USDC a SOL, less a fee of a quarter of a per cent.
    assert quote["outputAmount"].startswith("199.49")
    assert (quote["at"], quote["validUntil"]) == ("2026-01-01T12:00:00.000Z", "2026-01-01T12:00:02.000Z")


def test_same_question_has_the_same_answer_since_a_quote_trades_nothing(quote_swaps: QuoteSwaps) -> None:
    assert quoted(quote_swaps, amount="1000") == quoted(quote_swaps, amount="1000")


def test_exact_output_is_quoted_by_what_goes_in(quote_swaps: QuoteSwaps) -> None:
    quote = quoted(quote_swaps, swapMode="exactOut", amount="200")
    assert quote["outputAmount"] == "200"
    assert quote["inputAmount"].startswith("1.0025")


def test_quote_that_cannot_be_filled_is_refused() -> None:
    shallow = FakeVenue("raydium", [a_pool(reserves=(10**10, 2 * 10**9))])
    collector = QuoteCollector([shallow], InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
    with pytest.raises(RefusedError) as refused:
        quoted(QuoteSwaps(collector, load_tokens()), swapMode="exactOut", amount="3000")
    assert refused.value.code is Code.INSUFFICIENT_LIQUIDITY


def test_venues_are_listed_with_their_pools_or_with_why_they_do_not_answer(
    quote_swaps: QuoteSwaps, venues: list[FakeVenue]
) -> None:
    venues[1].fault = VenueUnavailableError("closed")
    answers = quote_swaps.venues()
    refused = {"raydium": [RefusedPool("old", ("SOL", "USDC"), "swap_disabled")]}
    listed = venues_view(answers.venues, answers.pools, answers.problems, load_tokens(), refused=refused)
    assert listed["venues"] == [
        {
            "venue": "raydium",
            "pools": [
                {"pool": "raydium-pool", "tokens": ["SOL", "USDC"]},
                {"pool": "old", "tokens": ["SOL", "USDC"], "error": "swap_disabled"},
            ],
        },
        {"venue": "meteora", "pools": [], "error": "closed"},
    ]
    assert {"symbol": "SOL", "mint": load_tokens()["SOL"].mint, "decimals": 9} in listed["tokens"]
