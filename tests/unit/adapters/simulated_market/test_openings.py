"""Opening states: the price and depth of their description, the same each time."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.amm.pools import reserves, spot_price, swap
from chalicelib.amm.swaps import Exact, Swap

POOLS = load_market().pools
each_pool = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.pool_id)


def unit_price(pool: PoolDefinition) -> Fraction:
    return Fraction(pool.price.scaleb(pool.quote.scale - pool.base.scale))


def test_every_kind_is_among_the_pools() -> None:
    assert {pool.kind for pool in POOLS} == {"cpmm", "clmm", "dlmm", "damm_v2"}


@each_pool
def test_pool_opens_at_its_price(pool: PoolDefinition) -> None:
    found = Fraction(*spot_price(opening_state(pool)))
    # A bin's price is the nearest to it, half a step away at most.
    step = pool.parameters["bin_step"] if pool.kind == "dlmm" else 0
    assert abs(found / unit_price(pool) - 1) <= Fraction(step + 1, 10_000)


@each_pool
def test_pool_holds_no_more_of_the_quote_than_its_depth(pool: PoolDefinition) -> None:
    _, quote = reserves(opening_state(pool))
    depth = int(pool.depth.scaleb(pool.quote.scale))
    assert depth // 2 < quote <= depth * 1.001


@each_pool
def test_pool_is_open_in_both_directions(pool: PoolDefinition) -> None:
    state = opening_state(pool)
    base, quote = reserves(state)
    for token_in, amount in ((0, base // 1_000), (1, quote // 1_000)):
        result, _ = swap(state, Swap(Exact.IN, amount, 0 if token_in == 0 else 1, 1_700_000_000))
        assert result.amount_out > 0


@each_pool
def test_same_description_opens_the_same_pool(pool: PoolDefinition) -> None:
    assert opening_state(pool) == opening_state(pool)
    assert opening_state(replace(pool, price=pool.price * Decimal(2))) != opening_state(pool)


def test_kind_that_is_not_known_is_refused_by_the_pools_name() -> None:
    pool = replace(POOLS[0], kind="orderbook")
    with pytest.raises(ValueError, match=f"{pool.pool_id}.*orderbook"):
        opening_state(pool)
