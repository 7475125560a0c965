"""What the chain says of a signature stays true: landed once, or dead for ever.

A landing that is under way is held still by a table lock: it has read the clock, and cannot write
yet. That is the moment in which a careless node would call the transaction dead.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import cast

import pytest
from sqlalchemy import text

from chalicelib.adapters.simulated_market.chain import BLOCK_FRESH_S, MarketChain
from chalicelib.adapters.simulated_market.landing import Landing
from chalicelib.adapters.simulated_market.locking import LANDING_LOCK
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.statuses import ROUNDS_MAX, StatusReader
from chalicelib.adapters.simulated_market.transactions import VALIDITY_BLOCKS
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.transactions import ChainView, SignatureStatus
from tests.integration.simulated_market.conftest import (
    AT_ONCE,
    DIRECT,
    WALLET_SEED,
    MarketUnderTest,
    a_swap,
    status_of,
)

DELAYED = replace(AT_ONCE, settlement_latency_ms=2_000)


@contextmanager
def lock_held(market: MarketUnderTest, statement: str) -> Iterator[None]:
    with market.engine.begin() as connection:
        connection.execute(text(statement))
        yield


def wait_until_blocked(market: MarketUnderTest, count: int) -> None:
    """Return once so many sessions wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    pause = Event()
    for _ in range(10_000):
        with market.engine.connect() as connection:
            if connection.execute(waiting).scalar_one() >= count:
                return
        pause.wait(0.01)
    raise AssertionError(f"there were never {count} sessions waiting")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_transaction_is_valid_until_its_last_height_and_not_a_block_longer(market: MarketUnderTest) -> None:
    node = market.node()
    before = node.view([]).height
    in_time, late = node.sign([a_swap(), a_swap()])
    assert before <= in_time.last_valid_height - VALIDITY_BLOCKS <= node.view([]).height
    market.pass_blocks(VALIDITY_BLOCKS - 20)
    node.send([in_time])
    market.pass_blocks(21)
    node.send([late])
    view = node.view([in_time.signature, late.signature])
    assert view.height > late.last_valid_height
    assert view.statuses[in_time.signature].signature_status is SignatureStatus.LANDED
    assert view.statuses[late.signature].signature_status is SignatureStatus.UNKNOWN
    assert market.violations() == []


def test_transaction_is_signed_with_the_block_that_came_with_the_pools(market: MarketUnderTest) -> None:
    cache = PoolCache()
    node = MarketChain(market.engine, lambda: WALLET_SEED, market.tokens, AT_ONCE, cache=cache)
    reader = LedgerPoolReader(market.engine, cache, shared_for_s=0)
    before = node.view([]).height
    reader.read()
    after = node.view([]).height
    market.pass_blocks(10)
    (transaction,) = node.sign([a_swap()])
    assert before <= transaction.last_valid_height - VALIDITY_BLOCKS <= after
    node.send([transaction])
    assert status_of(market.node(), transaction).signature_status is SignatureStatus.LANDED


def test_block_seen_too_long_ago_is_not_signed_with(market: MarketUnderTest) -> None:
    cache = PoolCache()
    node = MarketChain(market.engine, lambda: WALLET_SEED, market.tokens, AT_ONCE, cache=cache)
    LedgerPoolReader(market.engine, cache, shared_for_s=0).read()
    assert cache.block is not None
    cache.block = replace(cache.block, asked_at=cache.block.asked_at - BLOCK_FRESH_S)
    market.pass_blocks(10)
    (transaction,) = node.sign([a_swap()])
    assert transaction.last_valid_height >= cache.block.height + 10 + VALIDITY_BLOCKS


def test_transaction_of_another_chain_never_lands(market: MarketUnderTest) -> None:
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    market.execute("UPDATE market.chain SET genesis_at = genesis_at - interval '1 microsecond'")
    node.send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN


def test_node_tells_of_its_own_landing_what_every_other_node_reads(market: MarketUnderTest) -> None:
    node = market.node()
    unfair = a_swap(threshold_units=2**63)
    two_hops = a_swap(route=("SOL", DIRECT, "USDC", "raydium-clmm-USDC-USDT-1", "USDT"))
    transactions = node.sign([a_swap(), unfair, two_hops])
    signatures = [each.signature for each in transactions]
    node.send(transactions)
    told, read = node.view(signatures), market.node().view(signatures)
    assert told.statuses == read.statuses
    assert [told.statuses[signature].signature_status for signature in signatures] == [
        SignatureStatus.LANDED,
        SignatureStatus.REFUSED,
        SignatureStatus.LANDED,
    ]
    assert max(status.slot or 0 for status in told.statuses.values()) <= told.height <= read.height


def test_node_asks_the_ledger_for_what_it_did_not_land_last(market: MarketUnderTest) -> None:
    node = market.node()
    first, second = node.sign([a_swap(), a_swap()])
    for transaction in (first, second):
        node.send([transaction])
    assert [status_of(node, each).signature_status for each in (first, second)] == [
        SignatureStatus.LANDED,
        SignatureStatus.LANDED,
    ]
    assert (
        node.view([second.signature, "unheard-of"]).statuses["unheard-of"].signature_status
        is SignatureStatus.UNKNOWN
    )


def test_node_waits_for_a_landing_under_way_before_it_says_unknown(
    market: MarketUnderTest, threads: ThreadPoolExecutor
) -> None:
    node, watcher = market.node(), market.node()
    node.send(node.sign([a_swap()]))  # opens the wallet, so that the next send is one transaction
    (transaction,) = node.sign([a_swap()])
    with lock_held(market, "LOCK TABLE market.transactions IN SHARE MODE"):
        sending = threads.submit(node.send, [transaction])
        wait_until_blocked(market, 1)
        market.pass_blocks(VALIDITY_BLOCKS + 10)
        seen: Future[ChainView] = threads.submit(watcher.view, [transaction.signature])
        wait_until_blocked(market, 2)
        assert not seen.done()
    sending.result()
    view = seen.result()
    assert view.height > transaction.last_valid_height
    assert view.statuses[transaction.signature].signature_status is SignatureStatus.LANDED


def test_landing_that_waited_for_a_pool_past_its_validity_is_dropped(
    market: MarketUnderTest, threads: ThreadPoolExecutor
) -> None:
    node, watcher = market.node(), market.node()
    node.send(node.sign([a_swap()]))
    (transaction,) = node.sign([a_swap()])
    with lock_held(market, f"SELECT FROM market.pools WHERE pool_id = '{DIRECT}' FOR UPDATE"):
        sending = threads.submit(node.send, [transaction])
        wait_until_blocked(market, 1)
        market.pass_blocks(VALIDITY_BLOCKS + 10)
        seen: Future[ChainView] = threads.submit(watcher.view, [transaction.signature])
        wait_until_blocked(market, 2)
    sending.result()
    assert seen.result().statuses[transaction.signature].signature_status is SignatureStatus.UNKNOWN
    node.send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN


def test_transaction_on_its_way_is_unknown_without_waiting_for_landings(market: MarketUnderTest) -> None:
    node = market.node(DELAYED)
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    with lock_held(market, f"SELECT pg_advisory_xact_lock_shared({LANDING_LOCK})"):
        assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN


def test_transaction_lands_after_its_latency_at_the_height_it_was_due(market: MarketUnderTest) -> None:
    node = market.node(DELAYED)
    (transaction,) = node.sign([a_swap()])
    before = node.view([]).height
    node.send([transaction])
    after = node.view([]).height
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN
    market.pass_blocks(7)  # 2.8 s: more than the latency with its jitter
    status = status_of(node, transaction)
    assert status.signature_status is SignatureStatus.LANDED
    assert status.slot is not None
    assert before + 3 <= status.slot <= after + 7


def test_due_transaction_that_nobody_asked_for_in_time_still_lands_in_its_block(
    market: MarketUnderTest,
) -> None:
    node = market.node(DELAYED)
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    market.pass_blocks(10 * VALIDITY_BLOCKS)
    view = market.node(DELAYED).view([transaction.signature])
    assert view.height > transaction.last_valid_height
    assert view.statuses[transaction.signature].signature_status is SignatureStatus.LANDED
    slot = view.statuses[transaction.signature].slot
    assert slot is not None
    assert slot <= transaction.last_valid_height


def test_transaction_due_past_its_validity_is_dropped_for_ever(market: MarketUnderTest) -> None:
    node = market.node(replace(AT_ONCE, settlement_latency_ms=VALIDITY_BLOCKS * 400 * 2))
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    market.pass_blocks(VALIDITY_BLOCKS + 1)
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN
    market.pass_blocks(10 * VALIDITY_BLOCKS)
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN
    market.node().send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN
    assert market.violations() == []


def test_two_nodes_landing_what_is_due_land_each_transaction_once(
    market: MarketUnderTest, threads: ThreadPoolExecutor
) -> None:
    node = market.node(DELAYED)
    transactions = node.sign([a_swap(10**8, account_id=f"account-{n % 3}") for n in range(150)])
    node.send(transactions)
    market.pass_blocks(10)
    signatures = [each.signature for each in transactions]
    views = [threads.submit(market.node(DELAYED).view, signatures) for _ in range(4)]
    for view in views:
        assert {status.signature_status for status in view.result().statuses.values()} == {
            SignatureStatus.LANDED
        }
    assert market.violations() == []


class StuckLanding:
    """A landing that never gets to what is due."""

    last = ()

    def __init__(self) -> None:
        self.tries = 0

    def land_due(self) -> int:
        self.tries += 1
        return 0


def test_node_that_cannot_catch_up_says_nothing_of_a_transaction_that_is_due(market: MarketUnderTest) -> None:
    node, landing = market.node(DELAYED), StuckLanding()
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    market.pass_blocks(20)
    stuck = StatusReader(market.engine, cast("Landing", landing))
    with pytest.raises(RetryableError, match="behind with its blocks"):
        stuck.view([transaction.signature], 0)
    assert landing.tries == ROUNDS_MAX
    # Of another signature it need not know how that one ends.
    other = stuck.view(["unheard of"], 0).statuses["unheard of"]
    assert other.signature_status is SignatureStatus.UNKNOWN
