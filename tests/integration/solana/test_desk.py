"""What a desk's orders are planned through on the local chain: they execute, and nothing stays with it."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest

from chalicelib.adapters.solana.chain import SolanaChain
from chalicelib.adapters.solana.fills import names_of
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.message_guard import GuardedSigner, SigningRules
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.programs import TOKEN
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.solana.signer import DelegateSigner, SeedSigner, desk_key_of
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.adapters.solana.venue import SolanaVenue
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, RefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.transactions import SignatureStatus, SwapInstruction
from chalicelib.services.planning.planner import Planner
from chalicelib.services.planning.quotes import QuoteSwaps
from chalicelib.services.planning.venues import QuoteCollector
from tests.fakes.inline import InOneThread
from tests.fakes.ports import FrozenClock
from tests.integration.solana.test_local_chain import World, approve, paths_of, threshold
from tests.support.local_chain import IDS, listed_pools, solana_chain
from tests.unit.infra.chain.running import running

OWNER = "owner"
PAIRS = [("USDC", "SOL"), ("SOL", "USDC"), ("USDT", "SOL"), ("RAY", "USDC"), ("JUP", "SOL")]


@dataclass
class Desk:
    world: World
    chain: SolanaChain
    collector: QuoteCollector
    wallet: TradingWallet
    orders: int = 0

    def wish(self, given: str, got: str, mode: SwapMode, part: int) -> SwapWish:
        named = given if mode is SwapMode.EXACT_IN else got
        return SwapWish(mode, given, got, self.world.tokens[named].max_order_units * part // 1_000, given)

    def instructed(self, wishes: Sequence[SwapWish]) -> list[SwapInstruction]:
        """One order per wish, planned one after the other as those of a batch are."""
        planner = Planner(self.collector.ask(), self.world.tokens)
        found = []
        for wish in wishes:
            plan = planner.plan(wish).plan
            self.orders += 1
            found.append(
                SwapInstruction(
                    OWNER,
                    UUID(int=self.orders),
                    1,
                    wish.swap_mode,
                    wish.input_token,
                    wish.output_token,
                    paths_of(plan, wish.swap_mode),
                    threshold(plan),
                )
            )
        return found

    def left(self) -> dict[str, int]:
        """What the desk itself holds of tokens."""
        mints = {token.symbol: pubkey(token.mint) for token in self.world.tokens}
        places = {symbol: address_of(self.wallet.between(mint, TOKEN)) for symbol, mint in mints.items()}
        call = self.world.process.call
        found = {}
        for symbol, place in places.items():
            if call("getAccountInfo", place, {"encoding": "base64"})["value"] is not None:
                found[symbol] = int(call("getTokenAccountBalance", place)["value"]["amount"])
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("chain"), "--seed", "--block-ms", "50") as process:
        tokens, node = load_tokens(), RpcNode(f"http://127.0.0.1:{process.port}")
        nodes = RpcNodes([node])
        listed = listed_pools(nodes, process.call("chain_status"), tokens)
        pools = PoolReader(nodes, IDS, listed, tokens, now_unix_s=time.time, time_limit_s=10)
        names = names_of(IDS, listed, tokens)._replace(bin_step=pools.bin_step)
        seeds, key = SeedSigner(b"seed"), desk_key_of(b"seed")
        owner = seeds.wallet(OWNER).owner
        delegate = GuardedSigner(DelegateSigner(key, {OWNER: owner}.get), SigningRules(IDS))
        world = World(
            process, tokens, pools, solana_chain(nodes, seeds, pools, names), seeds, random.Random(1)
        )
        venues = [
            SolanaVenue(name, listed, pools, is_delegated=True)
            for name in sorted({pool.venue for pool in listed})
        ]
        collector = QuoteCollector(venues, InOneThread(), FrozenClock(), time_limit_ms=0, valid_ms=2_000)
        for address in (key.key, owner):
            process.call("chain_fund", address_of(address))
        for symbol in sorted({given for given, _ in PAIRS}):
            approve(world, OWNER, key.key, symbol)
        chain = solana_chain(nodes, delegate, pools, names, is_simulated=True)
        yield Desk(world, chain, collector, TradingWallet(key.key, owner))
        node.close()


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize(("given", "got"), PAIRS)
def test_orders_of_a_batch_are_filled_by_what_a_desk_can_sign(
    desk: Desk, given: str, got: str, mode: SwapMode
) -> None:
    before = desk.left()
    wanted = desk.instructed([desk.wish(given, got, mode, part) for part in (1, 20, 5)])
    sent = desk.chain.sign(wanted)
    desk.chain.send(sent)
    for order, transaction in zip(wanted, sent, strict=True):
        status = desk.world.outcome(transaction).statuses[transaction.signature]
        assert status.signature_status is SignatureStatus.LANDED
        assert status.output_units is not None
        if mode is SwapMode.EXACT_OUT:
            last = [leg.planned_units for path in order.paths for leg in path.hops[-1]]
            assert status.output_units == sum(last)
    assert desk.left() == before


def test_pair_that_only_two_hops_connect_is_quoted_for_a_desk_as_it_would_be_filled(desk: Desk) -> None:
    quotes = QuoteSwaps(desk.collector, desk.world.tokens)
    assert len(quotes.quote(desk.wish("RAY", "WIF", SwapMode.EXACT_IN, 1)).route.legs) >= 2
    with pytest.raises(RefusedError, match="without leaving something between two hops") as refused:
        quotes.quote(desk.wish("RAY", "WIF", SwapMode.EXACT_OUT, 1))
    assert refused.value.code is Code.NO_ROUTE
