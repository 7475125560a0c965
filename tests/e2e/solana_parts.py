"""The runtime and the local chain of the Solana tests, each of which can be killed and started again."""

import base64
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.signer import SeedSigner
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.pools import spot_price
from chalicelib.amm.swaps import TokenIndex
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction
from infra.cli.market_maker import amount_to_reach
from tests.e2e.conftest import APP, tracebacks
from tests.e2e.trader import Frame, Trader, statuses
from tests.support.instance import Instance, queues_with
from tests.support.local_chain import market_on, write_pool_file
from tests.support.ports import free_port
from tests.unit.infra.chain.running import Running, running

SEED = "the seed of the tests' wallets"
WALLET = SeedSigner(SEED.encode()).wallet("local")
VISIBILITY_S = 12
"""Of the messages of a killed consumer: the wait for them is all that is cut."""


UNCHECKED = {"encoding": "base64", "skipPreflight": True}
"""Of a transaction that is sent as it is."""


class LocalChain:
    """A seeded chain that can be killed, and goes on from its disk."""

    OPTIONS = ("--seed", "--block-ms", "100", "--nodes", "3")

    def __init__(self, state: Path) -> None:
        self._state = state
        self.port = free_port(2)
        self._open = ExitStack()
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, *params: Any) -> Any:
        return self.process.call(method, *params)

    def land_first(self, payloads: Sequence[str]) -> None:
        """End the chain's faults and have transactions land before what is sent again from then on."""
        calls: list[tuple[str, list[Any]]] = [("chain_resetFaults", [])]
        calls += [("sendTransaction", [payload, UNCHECKED]) for payload in payloads]
        # In one request, so that nothing comes between.
        asked = [
            {"jsonrpc": "2.0", "id": n, "method": name, "params": sent}
            for n, (name, sent) in enumerate(calls)
        ]
        _, _, answers = self.process.post(asked)
        assert not any("error" in answer for answer in json.loads(answers)), answers

    def kill(self) -> None:
        self.process.kill()

    def start_again(self) -> None:
        self._open.close()
        self.process = self._start()

    def close(self) -> None:
        self._open.close()

    def _start(self) -> Running:
        return self._open.enter_context(running(self._state, *self.OPTIONS, port=self.port))


@contextmanager
def funded_chain(state: Path) -> Iterator[LocalChain]:
    """A chain on which the wallet has some of every token."""
    made = LocalChain(state)
    made.call("chain_fund", address_of(WALLET.owner))
    yield made
    made.close()


def at_rest(trader: Trader, *, above: str) -> str:
    """Submit an order that sells for more than is paid now; return its id when it rests."""
    quote = trader.quote(inputToken="SOL", outputToken="USDC", amount="1")
    limit = f"{Decimal(quote['price']) * Decimal(above):.2f}"
    order_id = trader.submit(
        type="limit", side="sell", baseAsset="SOL", quoteAsset="USDC", amount="1", limitPrice=limit
    )
    trader.until(lambda: "open" in statuses(trader.events(order_id)))
    return order_id


def landed(chain: LocalChain, order_id: str) -> list[str]:
    """Return the signatures of what moved something for an order."""
    history = chain.call("getSignaturesForAddress", address_of(WALLET.authority))
    mark = order_id.replace("-", "")
    return [one["signature"] for one in history if one["err"] is None and mark in (one["memo"] or "")]


_NO_DEFECTS: Final = (
    # An order that was under way for too long on a busy machine has ended.
    "dead letter resolved",
    # A chain that is told to go on by hundreds of blocks may do so between the answers of two nodes.
    "nodes disagree how far the chain is",
)


class Engine:
    """The runtime on one state, which can be stopped and started again."""

    def __init__(self, home: Path, chain: LocalChain, **settings: str) -> None:
        self.pools_file = write_pool_file(home / "pools.toml", chain.url, chain.call("chain_status"))
        self._state = home / "state"
        self._environment = {
            "CHAIN": "solana",
            "SOLANA_RPC_URLS": ",".join(f"{chain.url}/nodes/{place}" for place in range(3)),
            "SOLANA_POOLS_FILE": str(self.pools_file),
            "SOLANA_WITNESSES": "2",
            "SOLANA_POLL_MS": "50",
            "SOLANA_SEARCH_MS": "500",
            "WALLET_SEED": SEED,
            "LEASE_MS": "6000",
            **settings,
        }
        queues = queues_with(home / "queues.json", visibility_s=VISIBILITY_S)
        self._options = ("--no-reload", "--queues", str(queues))
        self.tracebacks: list[str] = []
        self.start()

    def start(self, **settings: str) -> None:
        self.instance = Instance(
            APP, self._state, *self._options, environment=self._environment | settings, program="infra.run"
        )
        self.instance.__enter__()

    def stop(self) -> None:
        self.instance.stop()
        self.tracebacks += [
            line for line in tracebacks(self.instance) if not any(each in line for each in _NO_DEFECTS)
        ]

    def kill_consumers(self) -> None:
        for pid in self.instance.status()["pids"]["functions"].get("execute_orders", []):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def database(self) -> str:
        return str(self.instance.status()["database_url"])

    def database_files(self) -> Path:
        return (self._state / "postgres").resolve()

    @property
    def url(self) -> str:
        return self.instance.websocket_url


def units(amount: str, symbol: str) -> int:
    return int(Decimal(amount).scaleb(load_tokens()[symbol].scale))


def swapped(engine: Engine, chain: LocalChain, leg: Frame) -> str:
    """Return a signed transaction by which another account sells twenty times as much as a leg does."""
    given, got = leg["inputToken"], leg["outputToken"]
    with _market_on(engine, chain) as market:
        return _sold(market, chain, leg["pool"], (given, got), 20 * units(leg["inputAmount"], given))


def all_moved(engine: Engine, chain: LocalChain, token: str, bps: int) -> list[str]:
    """Return signed transactions by which others sell a token until each of its pools pays so much less."""
    moved = []
    with _market_on(engine, chain) as market:
        for offered in market.pools.read().pools.values():
            if token in offered.tokens:
                token_in: TokenIndex = 0 if offered.tokens[0] == token else 1
                price = Fraction(*spot_price(offered.state))
                less = Fraction(10_000 - bps, 10_000)
                target = price * less if token_in == 0 else price / less
                amount = amount_to_reach(offered.state, target, token_in, int(time.time()))
                tokens = token, offered.tokens[1 - token_in]
                moved.append(_sold(market, chain, offered.pool_id, tokens, amount))
    return moved


@contextmanager
def _market_on(engine: Engine, chain: LocalChain) -> Iterator[SolanaMarket]:
    market = market_on(chain.url, engine.pools_file, seed=SEED)
    try:
        yield market
    finally:
        market.nodes.close()


def _sold(market: SolanaMarket, chain: LocalChain, pool_id: str, tokens: tuple[str, str], amount: int) -> str:
    """Return a signed transaction by which an account of the pool's own sells so much to it."""
    chain.call("chain_fund", address_of(market.signer.wallet(pool_id).owner))
    path = InstructedPath(tokens, ((InstructedLeg(pool_id, amount),),))
    wanted = SwapInstruction(pool_id, uuid4(), 1, SwapMode.EXACT_IN, *tokens, (path,), 1)
    (signed,) = market.chain.sign([wanted])
    return base64.b64encode(signed.payload).decode()
