"""The market as it is defined: rich enough to route on, and within its own limits."""

from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.pools import reserves, spot_price, swap
from chalicelib.amm.swaps import Exact, Swap
from chalicelib.routing.plan import RoutablePool

MARKET = load_market()
POOLS = [
    RoutablePool(pool.pool_id, pool.venue, (pool.base.symbol, pool.quote.symbol), opening_state(pool))
    for pool in MARKET.pools
]


def price_of(pool: PoolDefinition) -> Decimal:
    numerator, denominator = spot_price(opening_state(pool))
    return (Decimal(numerator) / denominator).scaleb(pool.base.scale - pool.quote.scale)


def test_market_has_tokens_pairs_and_pools_of_each_kind_on_both_venues() -> None:
    assert len(list(MARKET.tokens)) >= 8
    assert len({pool.tokens for pool in POOLS}) >= 12
    assert len(POOLS) >= 30
    assert {(pool.venue, pool.kind) for pool in MARKET.pools} == {
        ("raydium", "cpmm"),
        ("raydium", "clmm"),
        ("meteora", "dlmm"),
        ("meteora", "damm_v2"),
    }


def test_the_market_trades_every_token_of_the_list_and_no_other() -> None:
    traded = {symbol for pool in POOLS for symbol in pool.tokens}
    assert traded == {token.symbol for token in load_tokens()}


def test_no_order_may_name_more_than_all_pools_of_the_token_hold() -> None:
    held: Counter[str] = Counter()
    for pool in POOLS:
        held.update(dict(zip(pool.tokens, reserves(pool.state), strict=True)))
    assert [token.symbol for token in MARKET.tokens if token.max_order_units > held[token.symbol]] == []


def test_venues_differ_on_each_pair_by_a_tenth_of_a_per_cent_to_five() -> None:
    prices: dict[tuple[str, str], dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    for pool in MARKET.pools:
        prices[pool.base.symbol, pool.quote.symbol][pool.venue].append(price_of(pool))
    for pair, by_venue in prices.items():
        assert by_venue.keys() == {"raydium", "meteora"}, pair
        every = [price for found in by_venue.values() for price in found]
        assert Decimal("0.001") <= max(every) / min(every) - 1 <= Decimal("0.05"), pair


@pytest.mark.parametrize("pool", MARKET.pools, ids=lambda pool: pool.pool_id)
def test_pool_opens_at_its_price_and_depth(pool: PoolDefinition) -> None:
    base_units, quote_units = reserves(opening_state(pool))
    # A bin's price is a power of its step, so a DLMM may be off by half a step.
    tolerance = Decimal(pool.parameters.get("bin_step", 0)) / 20_000 + Decimal("1e-9")
    assert abs(price_of(pool) / pool.price - 1) <= tolerance
    assert Decimal(quote_units).scaleb(-pool.quote.scale) == pytest.approx(pool.depth, rel=Decimal("0.03"))
    base_worth = Decimal(base_units).scaleb(-pool.base.scale) * pool.price
    assert base_worth == pytest.approx(pool.depth, rel=Decimal("0.5"))


@pytest.mark.parametrize("pool", MARKET.pools, ids=lambda pool: pool.pool_id)
def test_pool_trades_both_ways_at_about_its_price(pool: PoolDefinition) -> None:
    state = opening_state(pool)
    base_units, quote_units = (units // 1000 for units in reserves(state))
    for token_in, amount in ((0, base_units), (1, quote_units)):
        result, _ = swap(state, Swap(Exact.IN, amount, 0 if token_in == 0 else 1, 1_800_000_000))
        ratio = Decimal(result.amount_out) / result.amount_in
        unit_price = pool.price.scaleb(pool.quote.scale - pool.base.scale)
        fair = unit_price if token_in == 0 else 1 / unit_price
        assert Decimal("0.98") < ratio / fair < Decimal("1.01")


@pytest.mark.parametrize("venue", ["raydium", "meteora"])
def test_a_venue_sells_ten_thousand_sol_in_its_pools(venue: str) -> None:
    sol = sum(
        reserves(pool.state)[0] for pool in POOLS if pool.venue == venue and pool.tokens == ("SOL", "USDC")
    )
    assert sol > 10_000 * 10**9
