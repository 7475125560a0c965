"""A pool's rows say all there is to say about its state."""

import json

import pytest

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.simulated_market.pool_rows import kind_of, pool_of, rows_changed, scalars_of
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import Pool, reserves, swap
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.swaps import Exact, Swap

each_pool = pytest.mark.parametrize("pool", load_market().pools, ids=lambda pool: pool.pool_id)


def read_back(state: Pool, *, before: Pool | None = None) -> Pool:
    """Through JSON, as the database keeps it; with ``before``, from the changed rows alone."""
    bins = state.bins if isinstance(state, DlmmPool) else ()
    ticks = state.ticks if isinstance(state, ClmmPool) else ()
    if before is not None:
        bins, ticks = tuple(rows_changed(before, state)), ()
    scalars = json.loads(json.dumps(scalars_of(state)))
    return pool_of(
        kind_of(state), scalars, json.loads(json.dumps(bins)), json.loads(json.dumps(ticks)), before
    )


@each_pool
def test_state_survives_its_rows_before_and_after_a_trade(pool: PoolDefinition) -> None:
    before = opening_state(pool)
    assert kind_of(before) == pool.kind
    assert read_back(before) == before
    amount = reserves(before)[0] // 10
    _, after = swap(before, Swap(Exact.IN, amount, 0, 1_800_000_000))
    assert read_back(after) == after != before
    assert read_back(after, before=before) == after


def test_only_crossed_bins_are_rows_that_changed() -> None:
    (definition,) = (pool for pool in load_market().pools if pool.pool_id == "meteora-dlmm-SOL-USDC-10")
    before = opening_state(definition)
    assert isinstance(before, DlmmPool)
    one_bin = before.bins[0].amount_y
    _, after = swap(before, Swap(Exact.OUT, one_bin * 5 // 2, 0, 1_800_000_000))
    changed = [bin_.bin_id for bin_ in rows_changed(before, after)]
    assert changed == [before.active_id - 2, before.active_id - 1, before.active_id]
