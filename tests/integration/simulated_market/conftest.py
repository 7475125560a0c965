"""A market of a test's own, and the means to trade on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.balance import check_books
from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import (
    InstructedLeg,
    InstructedPath,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.routing.plan import RoutablePool
from tests.support.postgres_server import Databases

WALLET_SEED = b"a seed for tests, of thirty-two b"
AT_ONCE = MarketSettings(quote_latency_ms=0, settlement_latency_ms=0)
DIRECT = "raydium-cpmm-SOL-USDC-25"


def a_swap(
    amount_units: int = 10**9,
    *,
    route: tuple[str, ...] = ("SOL", DIRECT, "USDC"),
    mode: SwapMode = SwapMode.EXACT_IN,
    threshold_units: int | None = None,
    account_id: str = "alice",
    order_id: UUID | None = None,
) -> SwapInstruction:
    """An instruction along tokens and pools in turn; its threshold lets any price pass."""
    tokens, pool_ids = route[::2], route[1::2]
    anything = 1 if mode is SwapMode.EXACT_IN else 2**64 - 1
    return SwapInstruction(
        account_id=account_id,
        order_id=order_id or uuid4(),
        attempt=1,
        swap_mode=mode,
        input_token=tokens[0],
        output_token=tokens[-1],
        paths=(
            InstructedPath(tokens, tuple((InstructedLeg(pool_id, amount_units),) for pool_id in pool_ids)),
        ),
        threshold_units=anything if threshold_units is None else threshold_units,
    )


@dataclass
class MarketUnderTest:
    """A seeded market; ``node`` makes further nodes, each like a process of its own."""

    engine: Engine
    url: str

    def node(self, settings: MarketSettings = AT_ONCE) -> MarketChain:
        faults = FaultBoard(self.engine, noticed_within_s=0)
        return MarketChain(self.engine, lambda: WALLET_SEED, self.tokens, settings, faults=faults)

    @property
    def tokens(self) -> Tokens:
        return load_market().tokens

    def now_s(self) -> int:
        with self.engine.connect() as connection:
            return int(
                connection.execute(text("SELECT floor(extract(epoch FROM market.now()))")).scalar_one()
            )

    def pools(self) -> dict[str, RoutablePool]:
        snapshot = LedgerPoolReader(self.engine, PoolCache(), shared_for_s=0).read()
        return {
            pool.pool_id: RoutablePool(pool.pool_id, pool.venue, pool.tokens, pool.state)
            for pool in snapshot.pools.values()
        }

    def pass_blocks(self, blocks: int) -> None:
        self.execute(
            "UPDATE market.chain SET clock_offset = clock_offset + :blocks * slot_ms * interval '1 ms'",
            blocks=blocks,
        )

    def execute(self, statement: str, **parameters: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def balance(self, address: str, token: str) -> int:
        with self.engine.connect() as connection:
            return int(
                connection.execute(
                    text("SELECT balance FROM market.wallets WHERE (address, token) = (:address, :token)"),
                    {"address": address, "token": token},
                ).scalar_one()
            )

    def violations(self) -> list[object]:
        connection: Connection
        with self.engine.connect() as connection:
            return list(check_books(connection))


def status_of(node: MarketChain, transaction: SignedTransaction) -> TransactionStatus:
    return node.view([transaction.signature]).statuses[transaction.signature]


@pytest.fixture(scope="session")
def open_markets(make_database: Databases) -> Databases:
    """A function that makes databases with a market as it opens: to open one takes longer than to copy it."""
    url = make_database()
    engine = make_engine(url)
    seed(engine, load_market())
    engine.dispose()
    return make_database.copies_of(url)


@pytest.fixture
def market(open_markets: Databases) -> Iterator[MarketUnderTest]:
    """A market as it opens, with no trade yet."""
    url = open_markets()
    market = MarketUnderTest(make_engine(url, pool_size=10), url)
    yield market
    market.engine.dispose()
    open_markets.drop(url)
