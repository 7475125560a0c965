"""``orderflow market``: what it shows, and that moving prices keeps the books balanced."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.cli.orderflow import orderflow
from tests.integration.simulated_market.conftest import DIRECT, MarketUnderTest, a_swap


def run(market: MarketUnderTest, *arguments: str) -> Any:
    command = ["--database-url", market.url, "--json", "market", *arguments]
    result = CliRunner().invoke(orderflow, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def price(market: MarketUnderTest, pool_id: str) -> Fraction:
    pairs = run(market, "show")
    (found,) = (pool["price"] for pair in pairs for pool in pair["pools"] if pool["poolId"] == pool_id)
    return Fraction(found)


def test_show_names_every_pool_with_its_price_and_depth(market: MarketUnderTest) -> None:
    pairs = {pair["pair"]: pair for pair in run(market, "show")}
    assert sum(len(pair["pools"]) for pair in pairs.values()) == len(market.pools())
    (pool,) = (pool for pool in pairs["SOL/USDC"]["pools"] if pool["poolId"] == DIRECT)
    assert pool == {
        "poolId": DIRECT,
        "venue": "raydium",
        "kind": "cpmm",
        "price": "149.91",
        "base": "40024.014408645",
        "quote": "6000000",
    }
    assert pairs["SOL/USDC"]["spreadBps"] in range(10, 40)


def test_show_for_people_fits_one_pair(market: MarketUnderTest) -> None:
    command = ["--database-url", market.url, "market", "show", "--pair", "SOL/USDC"]
    output = CliRunner().invoke(orderflow, command, env={"COLUMNS": "200"}).stdout
    assert "149.91" in output
    assert "BONK" not in output


def test_show_for_people_fits_eighty_columns_with_nothing_cut_off(market: MarketUnderTest) -> None:
    command = ["--database-url", market.url, "market", "show"]
    output = CliRunner().invoke(orderflow, command, env={"COLUMNS": "80"}).stdout
    assert max(map(len, output.splitlines())) <= 80
    assert "40024.014408645" in output
    assert "…" not in output
    assert DIRECT in CliRunner().invoke(orderflow, [*command, "--wide"]).stdout


def test_replayed_price_path_moves_every_kind_of_pool_to_it(market: MarketUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text("time,SOL,USDC\n1,100,1\n2,103,1\n3,98,1\n", encoding="utf-8")
    pool_ids = [DIRECT, "raydium-clmm-SOL-USDC-4", "meteora-dlmm-SOL-USDC-10", "meteora-damm_v2-SOL-USDC-25"]
    before = [price(market, pool_id) for pool_id in pool_ids]
    assert run(market, "replay", "--csv", str(path), "--interval", "0")["traded"] > 8
    after = [price(market, pool_id) for pool_id in pool_ids]
    for old, new in zip(before, after, strict=True):
        assert float(new / old) == pytest.approx(0.98, abs=0.002)
    assert market.violations() == []


def test_options_of_a_random_walk_beside_a_path_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text("SOL\n1\n", encoding="utf-8")
    found = CliRunner().invoke(orderflow, ["market", "replay", "--csv", str(path), "--steps", "100"])
    assert found.exit_code != 0
    assert "are of a random walk" in found.output


def test_same_seed_walks_the_same_way(market: MarketUnderTest) -> None:
    walk = ("replay", "--steps", "3", "--interval", "0", "--seed", "5", "--volatility-bps", "30")
    run(market, *walk)
    # A constant product's fee does not depend on the second at which a trade lands.
    first = price(market, DIRECT)
    assert first != Fraction("149.91")
    run(market, "reset")
    run(market, *walk)
    assert price(market, DIRECT) == first
    assert market.violations() == []


def test_reset_and_seed_say_what_they_did(market: MarketUnderTest) -> None:
    node = market.node()
    node.send(node.sign([a_swap(10**12)]))
    assert price(market, DIRECT) < Fraction("149.91")
    assert run(market, "reset") == {"reset": len(market.pools())}
    assert price(market, DIRECT) == Fraction("149.91")
    assert run(market, "seed") == {"opened": 0}


def test_faults_are_set_and_shown(market: MarketUnderTest) -> None:
    assert run(market, "faults", '{"drop_rate": 0.5}')["drop_rate"] == 0.5
    assert run(market, "faults")["drop_rate"] == 0.5
    assert run(market, "faults", "{}")["drop_rate"] == 0


def test_database_is_found_in_the_status_of_the_running_instance(
    market: MarketUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "status.json").write_text(json.dumps({"database_url": market.url}), encoding="utf-8")
    command = ["--json", "market", "seed"]
    found = CliRunner().invoke(
        orderflow, command, env={"ORDERFLOW_HOME": str(tmp_path), "DATABASE_URL": None}
    )
    assert json.loads(found.stdout) == {"opened": 0}
    lost = CliRunner().invoke(orderflow, command, env={"ORDERFLOW_HOME": "nowhere", "DATABASE_URL": None})
    assert lost.exit_code == 1
    assert "DATABASE_URL" in lost.stderr
