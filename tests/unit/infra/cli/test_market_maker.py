"""Price paths, and the trades that bring a pool onto one."""

from fractions import Fraction
from pathlib import Path

import pytest

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.amm.pools import spot_price, swap
from chalicelib.amm.swaps import Exact, Swap, TokenIndex
from infra.cli.market_maker import amount_to_reach, random_walk, read_path

NOW_S = 1_800_000_000


@pytest.mark.parametrize("pool", load_market().pools, ids=lambda pool: pool.pool_id)
@pytest.mark.parametrize("factor", [Fraction(998, 1000), Fraction(1003, 1000)])
def test_trade_brings_a_pool_to_its_target(pool: PoolDefinition, factor: Fraction) -> None:
    state = opening_state(pool)
    target = Fraction(*spot_price(state)) * factor
    token_in: TokenIndex = 0 if factor < 1 else 1
    amount = amount_to_reach(state, target, token_in, NOW_S)
    _, after = swap(state, Swap(Exact.IN, amount, token_in, NOW_S))
    step = Fraction(pool.parameters.get("bin_step", 0), 10_000)
    assert abs(Fraction(*spot_price(after)) / target - 1) <= step + Fraction(1, 10_000)


def test_random_walk_is_the_same_for_the_same_seed_and_stays_near() -> None:
    walk = list(random_walk(["SOL", "ETH"], steps=500, volatility_bps=10, seed=3))
    assert walk == list(random_walk(["SOL", "ETH"], steps=500, volatility_bps=10, seed=3))
    assert walk != list(random_walk(["SOL", "ETH"], steps=500, volatility_bps=10, seed=4))
    assert all(Fraction(9, 10) < step["SOL"] < Fraction(11, 10) for step in walk)
    assert walk[-1]["SOL"] != walk[-1]["ETH"]


def test_price_path_is_relative_to_its_first_row(tmp_path: Path) -> None:
    file = tmp_path / "path.csv"
    file.write_text("time,SOL\n2026-01-01,80\n2026-01-02,100.0\n", encoding="utf-8")
    assert read_path(file) == [{"SOL": 1}, {"SOL": Fraction(5, 4)}]


@pytest.mark.parametrize(
    "text", ["", "time,SOL\n", "SOL\nten\n", "SOL\n0\n", "SOL\n1/0\n", "SOL,ETH\n1\n", "SOL\n1,2\n"]
)
def test_file_that_is_no_price_path_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "path.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"price path|Fraction"):
        read_path(file)
