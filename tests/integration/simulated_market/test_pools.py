"""What a venue says its pools are: as of now, with all trades, and the same after a reset."""

import pytest
from sqlalchemy import text

from chalicelib.adapters.simulated_market.balance import check_books
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.seed import reset, seed
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.amm.pools import Pool
from tests.integration.simulated_market.conftest import AT_ONCE, DIRECT, MarketUnderTest, a_swap

KINDS = (DIRECT, "raydium-clmm-SOL-USDC-4", "meteora-dlmm-SOL-USDC-10", "meteora-damm_v2-SOL-USDC-25")


def states(reader: LedgerPoolReader) -> dict[str, Pool]:
    return {pool_id: pool.state for pool_id, pool in reader.read().pools.items()}


def trade_on_every_kind(market: MarketUnderTest) -> None:
    node = market.node()
    node.send(node.sign([a_swap(40 * 10**9, route=("SOL", pool_id, "USDC")) for pool_id in KINDS]))


def test_seeded_pools_stand_as_defined(market: MarketUnderTest) -> None:
    defined = {pool.pool_id: opening_state(pool) for pool in load_market().pools}
    assert {pool_id: pool.state for pool_id, pool in market.pools().items()} == defined
    assert market.violations() == []


def test_reader_that_caches_sees_the_trades_of_other_processes(market: MarketUnderTest) -> None:
    reader = LedgerPoolReader(market.engine, PoolCache(), shared_for_s=0)
    before = states(reader)
    for _ in range(3):
        trade_on_every_kind(market)
        after = states(reader)
        assert after == {pool_id: pool.state for pool_id, pool in market.pools().items()}
        assert {pool_id for pool_id in after if after[pool_id] != before[pool_id]} == set(KINDS)
        before = after


def test_seeding_again_changes_nothing(market: MarketUnderTest) -> None:
    trade_on_every_kind(market)
    before = market.pools()
    assert seed(market.engine, load_market()) == 0
    assert market.pools() == before
    assert market.violations() == []


def test_reset_brings_the_pools_back_and_cached_readers_notice(market: MarketUnderTest) -> None:
    reader = LedgerPoolReader(market.engine, PoolCache(), shared_for_s=0)
    before = states(reader)
    trade_on_every_kind(market)
    assert states(reader) != before
    assert reset(market.engine, load_market()) == len(before)
    assert states(reader) == before
    assert market.violations() == []
    trade_on_every_kind(market)
    assert states(reader) != before
    assert market.violations() == []


@pytest.mark.parametrize(
    ("theft", "subject"),
    [
        ("UPDATE market.wallets SET balance = balance + 1 WHERE token = 'SOL'", "SOL"),
        (
            "UPDATE market.vaults SET fund_fees = fund_fees + 1 WHERE (pool_id, token) = (:pool_id, 'USDC')",
            "USDC",
        ),
        ("UPDATE market.supply SET issued = issued - 1 WHERE token = 'SOL'", "SOL"),
        (
            (
                "UPDATE market.vaults SET tradable = tradable - 1, lp_fees = lp_fees + 1"
                " WHERE (pool_id, token) = (:pool_id, 'SOL')"
            ),
            f"{DIRECT} SOL",
        ),
    ],
)
def test_one_unit_out_of_place_is_found(market: MarketUnderTest, theft: str, subject: str) -> None:
    trade_on_every_kind(market)
    with market.engine.begin() as connection:
        connection.execute(text(theft), {"pool_id": DIRECT} if ":pool_id" in theft else {})
        assert [violation.subject for violation in check_books(connection)] == [subject]


def test_fees_are_in_their_buckets(market: MarketUnderTest) -> None:
    node = market.node(AT_ONCE)
    (transaction,) = node.sign([a_swap(10**9)])
    node.send([transaction])
    trade_fee = 2_500_000  # 25 bps of 1 SOL; 12 % of it for the protocol, 4 % for the fund
    with market.engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM market.vaults WHERE (pool_id, token) = (:pool_id, 'SOL')"),
            {"pool_id": DIRECT},
        ).one()
    assert (row.protocol_fees, row.fund_fees, row.lp_fees) == (trade_fee * 12 // 100, trade_fee * 4 // 100, 0)
