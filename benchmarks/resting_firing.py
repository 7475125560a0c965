"""What a price change costs while orders rest, and how long what it fires takes to its ``routing`` event."""

import asyncio
import os
import statistics
from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from time import perf_counter, time
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import Engine, event

from benchmarks.connection import Connection
from benchmarks.instance import Instance
from benchmarks.round_trips import Wire
from benchmarks.shapes import percentile
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.pool_cache import PoolCache
from chalicelib.adapters.simulated_market.prices import LedgerPrices
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.bootstrap import Services
from chalicelib.bootstrap.simulated_market import VENUES
from chalicelib.config import Settings
from chalicelib.services.resting.prices import Prices
from chalicelib.services.resting.watcher import PriceWatcher
from infra.cli.market_maker import MarketMaker

QUIET_CHANGES: Final = 200
ROUNDS: Final = 25
FIRED: Final = 100
TO_ROUTING_P50: Final = f"fires {FIRED}, to routing as its owner sees it, p50, ms"
TO_ROUTING_P99: Final = f"fires {FIRED}, to routing as its owner sees it, p99, ms"
_PAIR: Final = ("SOL", "USDC")
_OWN: Final = {"STAGE": "local", "AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}
_TIME_LIMIT_S: Final = 30.0


class Searches(Wire):
    """Counts the statements that look for what is met: for all pairs at once, and to fire it."""

    @staticmethod
    def _side(statement: str) -> str:
        if "at_least AS (" in statement:
            return "nearest"
        return "firing" if "fired_by = 'rate'" in statement else "others"


class Market:
    """The instance's market, moved by trades, and the watcher that is told of them."""

    def __init__(self, instance: Instance) -> None:
        status = instance.status
        environment = {**_OWN, "DATABASE_URL": status["database_url"], **status["aws"]}
        # The instance's own credentials sign the requests to its queue.
        os.environ |= {name: value for name, value in status["aws"].items() if name.startswith("AWS_")}
        self._services = Services(Settings.from_env(environment))
        self.engine: Engine = self._services.engine
        self.searches = Searches()
        event.listen(self.engine, "connect", self.searches.connected)
        self.watcher: PriceWatcher = self._services.price_watcher
        self._maker = MarketMaker(self.engine, load_market())
        self._at_start = {
            pool_id: price for pool_id, (tokens, price) in self._maker.prices().items() if tokens == _PAIR
        }

    def prices(self) -> Prices:
        """Return the market as the watcher reads it."""
        reader = LedgerPoolReader(self.engine, PoolCache())
        return LedgerPrices(reader, FaultBoard(self.engine), VENUES).read()

    @property
    def price(self) -> float:
        """The best of the pools' prices at the start, USDC per SOL."""
        return float(max(self._at_start.values())) * 10**3

    def move(self, ratio: float) -> Sequence[str]:
        """Trade the pools of SOL/USDC to so much of their prices at the start; committed on return."""
        moved = {pool_id: price * Fraction(ratio) for pool_id, price in self._at_start.items()}
        return self._maker.trade_to(moved, int(time()))


def quiet_changes(market: Market, changes: int = QUIET_CHANGES) -> Mapping[str, float]:
    """Have the price change by so little that nothing fires; return what looking at that costs."""
    random, took = Random(1), list[float]()
    for number in range(changes + 10):
        pools = market.move(1 + random.uniform(-0.002, 0.002))
        if number == 10:  # caches are warm by then
            market.searches.reset()
            took.clear()
        began = perf_counter()
        market.watcher.market_changed(pools)
        took.append((perf_counter() - began) * 1_000)
    asked = market.searches.round_trips
    return {
        "fires nothing, p50, ms": statistics.median(took),
        "fires nothing, p99, ms": percentile(sorted(took), 0.99),
        "searches per change, of the nearest watches of all pairs": asked["nearest"] / changes,
        "searches per change, to fire": asked["firing"] / changes,
    }


def _unheard(connection: Connection, *, is_final: bool) -> None:
    """What was answered is noted elsewhere."""
    del connection, is_final


class _Owner(Connection):
    """Notes when each of its orders got a status for the first time."""

    def __init__(self, url: str) -> None:
        super().__init__(url, _unheard)
        self.moments: dict[str, dict[str, float]] = {}
        self.news = asyncio.Event()

    def _event(self, frame: dict[str, Any]) -> None:
        self.moments.setdefault(frame["orderId"], {}).setdefault(frame["status"], perf_counter())
        self.news.set()

    async def until(self, status: str, count: int) -> list[float]:
        """Wait until so many orders have had a status; return when each got it."""
        async with asyncio.timeout(_TIME_LIMIT_S):
            while len(found := [each[status] for each in self.moments.values() if status in each]) < count:
                self.news.clear()
                await self.news.wait()
        return found


async def firing_changes(instance: Instance, market: Market, rounds: int = ROUNDS) -> Mapping[str, float]:
    """Have a hundred orders rest just above the price, and the price pass them; again and again."""
    address, random = urlsplit(instance.url), Random(2)
    to_queue, to_routing = [], []
    for number in range(rounds + 1):
        await asyncio.to_thread(market.move, 1.0)
        _, owner = await asyncio.get_running_loop().create_connection(
            lambda: _Owner(instance.url), address.hostname or "", address.port or 0
        )
        await owner.opened
        for place in range(FIRED):
            limit = market.price * (1.001 + 0.002 * random.random())
            owner.submit(
                {"requestId": str(place), "type": "limit", "inputToken": "SOL", "outputToken": "USDC",
                 "amount": "0.01", "limitPrice": f"{limit:.6f}"}
            )  # fmt: skip
        await owner.until("open", FIRED)
        committed_at, queued_at = await asyncio.to_thread(_passed, market)
        routed = await owner.until("routing", FIRED)
        await owner.until("confirmed", FIRED)
        owner.close()
        if number:  # the first one warms up
            to_queue.append((queued_at - committed_at) * 1_000)
            to_routing += [(moment - committed_at) * 1_000 for moment in routed]
    return {
        f"fires {FIRED}, to the queue, p50, ms": statistics.median(to_queue),
        f"fires {FIRED}, to the queue, p99, ms": percentile(sorted(to_queue), 0.99),
        TO_ROUTING_P50: statistics.median(to_routing),
        TO_ROUTING_P99: percentile(sorted(to_routing), 0.99),
    }


def _passed(market: Market) -> tuple[float, float]:
    """Move the price beyond the orders; return when that was committed, and when all was on the queue."""
    pools = market.move(1.008)
    committed_at = perf_counter()
    market.watcher.market_changed(pools)
    return committed_at, perf_counter()
