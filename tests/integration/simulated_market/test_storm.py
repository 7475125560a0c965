"""After a storm of concurrent random trades the books balance to the last unit."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SignatureStatus, SwapInstruction
from chalicelib.routing.plan import RoutablePool
from tests.integration.simulated_market.conftest import AT_ONCE, MarketUnderTest, a_swap

THREADS, BATCHES, BATCH = 4, 10, 6


def random_swap(
    dice: random.Random, market: MarketUnderTest, pools: Sequence[RoutablePool]
) -> SwapInstruction:
    """One or two hops over random pools, of a size that some pools refuse."""
    first = dice.choice(pools)
    sold, middle = dice.sample(first.tokens, 2)
    route: tuple[str, ...] = (sold, first.pool_id, middle)
    onward = [pool for pool in pools if middle in pool.tokens and sold not in pool.tokens]
    if onward and dice.random() < 0.5:
        second = dice.choice(onward)
        (bought,) = set(second.tokens) - {middle}
        route = (*route, second.pool_id, bought)
    mode = dice.choice(list(SwapMode))
    named = market.tokens[route[0] if mode is SwapMode.EXACT_IN else route[-1]]
    amount = max(1, int(named.max_order_units * 10 ** dice.uniform(-6, 0)))
    return a_swap(amount, route=route, mode=mode, account_id=f"account-{dice.randrange(3)}")


@pytest.mark.parametrize("driver", ["postgresql+pg8000", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "settings", [AT_ONCE, replace(AT_ONCE, settlement_latency_ms=30)], ids=["at-once", "later"]
)
def test_books_balance_after_a_storm_of_trades(
    market: MarketUnderTest, driver: str, settings: MarketSettings
) -> None:
    market.engine.dispose()
    market.engine = make_engine(market.url.replace("postgresql", driver), pool_size=10)
    pools = list(market.pools().values())

    def trade(thread: int) -> list[str]:
        dice, node = random.Random(thread), market.node(settings)
        signatures: list[str] = []
        for _ in range(BATCHES):
            transactions = node.sign([random_swap(dice, market, pools) for _ in range(BATCH)])
            node.send(transactions)
            node.send(dice.sample(transactions, 2))
            node.view(signatures[:3])
            signatures += [transaction.signature for transaction in transactions]
        return signatures

    with ThreadPoolExecutor(THREADS) as threads:
        signatures = [signature for sent in threads.map(trade, range(THREADS)) for signature in sent]
    market.pass_blocks(5)
    statuses = market.node(settings).view(signatures).statuses.values()
    signature_statuses = [status.signature_status for status in statuses]
    assert signature_statuses.count(SignatureStatus.UNKNOWN) == 0
    assert signature_statuses.count(SignatureStatus.LANDED) > len(signature_statuses) // 2
    assert signature_statuses.count(SignatureStatus.REFUSED) > 0
    assert market.violations() == []
    with market.engine.connect() as connection:
        recorded = connection.execute(text("SELECT count(*) FROM market.transactions")).scalar_one()
    assert recorded == THREADS * BATCHES * BATCH
