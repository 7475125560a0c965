"""Launches and moves: what a pool is like when it opens, and that the whole ledger adds up afterwards."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.adapters.simulated_market.audit import market_checks
from chalicelib.adapters.simulated_market.definition import VENUES
from chalicelib.adapters.simulated_market.launch import falling_fee
from chalicelib.adapters.simulated_market.launches import MarketOpenings
from chalicelib.adapters.simulated_market.mints import MarketMints
from chalicelib.amm.damm_v2_schedule import SchedulerMode
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.domain.watches import DirectedPair
from chalicelib.routing.marginal import best_rate, is_open
from infra.cli.orderflow import orderflow
from tests.integration.simulated_market.conftest import (
    DIRECT,
    WALLET_SEED,
    MarketUnderTest,
    a_swap,
    status_of,
)

LAUNCH = ("launch", "WIF", "--quote", "JUP", "--price", "2", "--depth", "100000")


def result(market: MarketUnderTest, *arguments: str) -> Any:
    return CliRunner().invoke(orderflow, ["--database-url", market.url, "--json", "market", *arguments])


def run(market: MarketUnderTest, *arguments: str) -> Any:
    found = result(market, *arguments)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def audit(market: MarketUnderTest) -> list[object]:
    """What the ledger's own checks find; orders that these tests' trades are of are on no record."""
    with market.engine.connect() as connection:
        return [
            violation
            for check in market_checks(WALLET_SEED)
            if "order" not in check.name and "on record" not in check.name
            for violation in check.violations(connection)
        ]


def test_openings_of_a_pair_are_told_either_way_round_and_those_of_defined_pools_are_not(
    market: MarketUnderTest,
) -> None:
    openings = MarketOpenings(market.engine)
    before = market.node().view(()).height
    launched = run(market, *LAUNCH, "--kind", "cpmm")
    later = run(market, *LAUNCH, "--kind", "cpmm", "--in-blocks", "50")
    seen = openings.seen([DirectedPair("JUP", "WIF")])
    assert seen.by_pool.keys() == {launched["pool"], later["pool"]}
    assert openings.seen([DirectedPair("WIF", "JUP")]).by_pool == seen.by_pool
    assert before <= seen.by_pool[launched["pool"]].height <= seen.height
    assert seen.by_pool[later["pool"]].height >= seen.height + 45
    assert seen.by_pool[later["pool"]].at > seen.by_pool[launched["pool"]].at
    assert openings.seen([DirectedPair("SOL", "USDC")]).by_pool == {}
    run(market, "reset")
    assert openings.seen([DirectedPair("WIF", "JUP")]).by_pool == {}


def test_pool_of_a_token_that_is_not_listed_needs_its_decimals_and_keeps_them(
    market: MarketUnderTest,
) -> None:
    mint = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
    new = ("launch", mint, "--price", "0.02", "--depth", "1000")
    assert "needs --decimals" in result(market, *new).output
    launched = run(market, *new, "--decimals", "5")
    assert "has 5 decimals" in result(market, *new, "--decimals", "6", "--id", "x").output
    seen = MarketOpenings(market.engine).seen([DirectedPair("USDC", NEW_MINT)])
    assert seen.by_pool.keys() == {launched["pool"]}
    mints = MarketMints(market.engine)
    assert mints.decimals([mint, mint[::-1]]) == {mint: 5}
    (shown,) = run(market, "show", "--pair", f"{mint}/USDC")
    assert shown["pools"][0]["price"] == "0.02"
    assert audit(market) == []


@pytest.mark.parametrize("kind", list(VENUES))
def test_launched_pool_of_each_kind_trades_from_its_height_on_and_not_before(
    market: MarketUnderTest, kind: str
) -> None:
    launched = run(market, *LAUNCH, "--kind", kind, "--in-blocks", "50")
    pool_id, node = launched["pool"], market.node()
    assert launched["venue"] == VENUES[kind]
    pool = market.pools()[pool_id]
    assert pool.tokens == ("WIF", "JUP")
    assert not is_open(pool.state, market.now_s(), 0)
    early = node.sign([a_swap(10**9, route=("WIF", pool_id, "JUP"))])
    node.send(early)
    assert status_of(node, early[0]).signature_status is SignatureStatus.REFUSED
    market.pass_blocks(53)
    assert node.view(()).height >= launched["height"]
    late = node.sign([a_swap(10**9, route=("WIF", pool_id, "JUP"))])
    node.send(late)
    landed = status_of(node, late[0])
    assert landed.signature_status is SignatureStatus.LANDED
    assert landed.output_units == pytest.approx(2 * 10**9, rel=0.03)
    assert audit(market) == []


def test_fee_of_a_launch_falls_from_its_opening_on(market: MarketUnderTest) -> None:
    fee = ("--fee-bps", "100", "--fee-from-bps", "4000", "--fee-periods", "3", "--period", "60")
    pool_id = run(market, *LAUNCH, *fee)["pool"]
    state, now_s = market.pools()[pool_id].state, market.now_s()
    kept = [float(best_rate(state, 0, now_s + 60 * minutes)) / 2 for minutes in (0, 1, 2, 3, 9)]
    assert kept == pytest.approx([0.6, 0.73, 0.86, 0.99, 0.99], abs=0.001)
    node = market.node()
    node.send(node.sign([a_swap(10**9, route=("WIF", pool_id, "JUP"))]))
    assert audit(market) == []


@pytest.mark.parametrize("mode", list(SchedulerMode))
def test_falling_fee_never_ends_below_what_it_falls_to(mode: SchedulerMode) -> None:
    fee = falling_fee(5_000, Decimal(33), periods=7, period_s=10, mode=mode)
    rates = [fee.numerator_at(10 * period, 0) for period in range(9)]
    assert rates[0] == 500_000_000
    assert rates == sorted(rates, reverse=True)
    assert 3_300_000 <= rates[7] == rates[8] < 3_800_000


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--at-height", "0"), "the chain is at height"),
        (("--kind", "cpmm", "--fee-from-bps", "300"), "needs --kind damm_v2"),
        (("--fee-from-bps", "10"), "a fee falls from"),
        (("--quote", "WIF"), "must be another token"),
        (("--quote", "DOGE"), "must be a known token"),
        (("--price", "0"), "must be above 0"),
        (("--depth", "x"), "is no number"),
        (("--depth", "0.0000001"), "less than one base unit of WIF"),
        (("--fee-bps", "10000"), "'--fee-bps': must be below 10000"),
        (("--at-height", "900", "--in-blocks", "3"), "give one of them"),
    ],
)
def test_launch_that_cannot_be_is_refused_and_opens_nothing(
    market: MarketUnderTest, arguments: tuple[str, ...], problem: str
) -> None:
    before = market.pools().keys()
    market.pass_blocks(5)
    found = result(market, *LAUNCH, *arguments)
    assert found.exit_code != 0
    assert problem in found.output
    assert market.pools().keys() == before


def test_pool_with_an_id_that_is_taken_is_refused(market: MarketUnderTest) -> None:
    assert "already" in result(market, *LAUNCH, "--id", DIRECT).output


def prices(market: MarketUnderTest) -> dict[str, Fraction]:
    return {pool["poolId"]: Fraction(pool["price"]) for pair in run(market, "show") for pool in pair["pools"]}


def test_pair_moves_along_a_path_in_its_own_pools_alone(market: MarketUnderTest) -> None:
    before = prices(market)
    assert run(market, "move", "SOL/USDC", "--path", "151,148", "--interval", "0")["steps"] == 2
    after = prices(market)
    assert {pool_id for pool_id in before if before[pool_id] != after[pool_id]} == {
        DIRECT,
        "raydium-clmm-SOL-USDC-4",
        "meteora-dlmm-SOL-USDC-10",
        "meteora-damm_v2-SOL-USDC-25",
    }
    middle = sorted(price for pool_id, price in after.items() if "SOL-USDC" in pool_id)[1:3]
    assert float(sum(middle) / 2) == pytest.approx(148, rel=0.002)
    assert audit(market) == []


def test_token_moves_in_all_of_its_pools_and_a_spike_comes_back(market: MarketUnderTest) -> None:
    before = prices(market)
    run(market, "move", "SOL", "--drift=-200", "--steps", "2", "--interval", "0")
    low = prices(market)
    assert float(low[DIRECT] / before[DIRECT]) == pytest.approx(0.98, abs=0.001)
    assert float(low["raydium-cpmm-WIF-SOL-25"] / before["raydium-cpmm-WIF-SOL-25"]) == pytest.approx(
        1 / 0.98, abs=0.001
    )
    run(market, "move", "SOL", "--spike", "300", "--interval", "0")
    assert float(prices(market)[DIRECT] / low[DIRECT]) == pytest.approx(1, abs=0.001)
    assert audit(market) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("SOL",), "says where to, not 0"),
        (("SOL", "--drift", "1", "--spike", "1"), "says where to, not 2"),
        (("DOGE", "--drift", "1"), "must be a known token"),
        (("SOL/SOL", "--drift", "1"), "a pair of two"),
        (("WIF/JUP", "--drift", "1"), "no pool trades WIF/JUP"),
        (("SOL", "--path", "1"), "prices are of a pair"),
        (("SOL/USDC", "--path", "1,x"), "'--path': 'x' is no price"),
        (("SOL", "--drift=-10000"), "not in the range -9999<=x"),
        (("SOL/USDC", "--path", "150", "--steps", "1"), "--steps goes with"),
        (("SOL/USDC", "--path", "150", "--seed", "2"), "--seed goes with --walk, not with --path"),
        (("SOL", "--spike", "1", "--seed", "2"), "--seed goes with --walk, not with --spike"),
    ],
)
def test_move_that_says_nothing_sensible_is_refused(
    market: MarketUnderTest, arguments: tuple[str, ...], problem: str
) -> None:
    found = result(market, "move", *arguments)
    assert found.exit_code != 0
    assert problem in found.output
