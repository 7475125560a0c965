"""The adapter against the local chain over HTTP.

Real messages, signatures, token programs, fees and expiry.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest

from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.chain import SolanaChain
from chalicelib.adapters.solana.fills import names_of
from chalicelib.adapters.solana.fixed_amounts import AmountFixer, FixedPlan, FixedSwap
from chalicelib.adapters.solana.instructions import Instruction, readonly, signer, writable
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.message_guard import GuardedSigner, SigningRules
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.room import room_of
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.solana.signer import DelegateSigner, SeedSigner, desk_key_of
from chalicelib.adapters.solana.signing import sign
from chalicelib.adapters.solana.swap_message import has_room
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.pools import spot_price, swap
from chalicelib.amm.swaps import Exact, Swap, SwapResult, TokenIndex
from chalicelib.domain.amounts import max_in_units, min_out_units
from chalicelib.domain.errors import Code, PlanOutdatedError, RefusedError
from chalicelib.domain.prices import price_impact_bps
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import (
    ChainView,
    InstructedLeg,
    InstructedPath,
    LegFill,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
)
from chalicelib.routing.errors import InsufficientLiquidityError, RoutingError
from chalicelib.routing.few_legs import with_room
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.support.local_chain import IDS, listed_pools, solana_chain
from tests.unit.infra.chain.running import Running, running

NODES = 3
SLIPPAGE_BPS = 50
SLIPPAGE_NAMES = {
    "ExceededSlippage", "TooLittleOutputReceived", "TooMuchInputPaid", "ExceededAmountSlippageTolerance"
}  # fmt: skip


@dataclass
class World:
    """A seeded chain, and our chain on it."""

    process: Running
    tokens: Tokens
    pools: PoolReader
    chain: SolanaChain
    signer: SeedSigner
    chance: random.Random
    orders: int = 0

    def planned(self, given: str, got: str, mode: SwapMode, part: int) -> SwapInstruction:
        """An order for a part, in thousandths, of the most that one may name."""
        book = self.pools.read()
        named, other = (given, got) if mode is SwapMode.EXACT_IN else (got, given)
        amount = self.tokens[named].max_order_units * part // 1000
        market = market_of(book)
        order = SwapOrder(mode, given, got, amount, self.tokens[other].leg_cost_units)
        plan = with_room(market, order, best_plan(market, order), room_of(book))
        self.orders += 1
        account_id = f"account {self.orders % 3}"
        self.fund(account_id)
        return SwapInstruction(
            account_id, UUID(int=self.orders), 1, mode, given, got, paths_of(plan, mode), threshold(plan)
        )

    def fund(self, account_id: str) -> None:
        self.process.call("chain_fund", address_of(self.signer.wallet(account_id).owner))

    def outcome(self, sent: SignedTransaction) -> ChainView:
        """What the chain says once it says anything; the chain itself ends the wait, by expiry."""
        while True:
            view = self.chain.view([sent.signature])
            status = view.statuses[sent.signature].signature_status
            if status is not SignatureStatus.UNKNOWN or view.height > sent.last_valid_height:
                return view
            time.sleep(0.02)


def market_of(book: Book) -> Market:
    pools = [RoutablePool(pool.pool_id, pool.venue, pool.tokens, pool.state) for pool in book.pools.values()]
    return Market(pools, book.clock.unix_timestamp, book.clock.slot)


def threshold(plan: Plan, slippage_bps: int = SLIPPAGE_BPS) -> int:
    if plan.mode is SwapMode.EXACT_IN:
        return min_out_units(plan.amount_out, slippage_bps)
    return max_in_units(plan.amount_in, slippage_bps)


def paths_of(plan: Plan, mode: SwapMode) -> tuple[InstructedPath, ...]:
    return tuple(
        InstructedPath(
            path.tokens,
            tuple(
                tuple(
                    InstructedLeg(leg.pool_id, leg.amount_in if mode is SwapMode.EXACT_IN else leg.amount_out)
                    for leg in path.legs
                    if leg.token_in == token
                )
                for token in path.tokens[:-1]
            ),
        )
        for path in plan.paths
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("chain")
    with running(state, "--seed", "--block-ms", "50", "--nodes", str(NODES)) as process:
        status = process.call("chain_status")
        tokens = load_tokens()
        each = [RpcNode(f"http://127.0.0.1:{process.port}/nodes/{place}") for place in range(NODES)]
        nodes = RpcNodes(each)
        listed = listed_pools(nodes, status, tokens)
        pools = PoolReader(nodes, IDS, listed, tokens, now_unix_s=time.time, time_limit_s=10)
        names = names_of(IDS, listed, tokens)._replace(bin_step=pools.bin_step)
        seeds = SeedSigner(b"seed")
        guarded = GuardedSigner(seeds, SigningRules(IDS, pools={pool.key for pool in listed}))
        chain = solana_chain(nodes, guarded, pools, names, witnesses=2)
        yield World(process, tokens, pools, chain, seeds, random.Random(1))
        for node in each:
            node.close()


def test_every_seeded_pool_can_be_traded_with(world: World) -> None:
    book = world.pools.read()
    assert book.refused == {}
    assert {type(pool.on_chain).__name__ for pool in book.pools.values()} == {
        "CpmmAccounts",
        "ClmmAccounts",
        "DlmmAccounts",
        "DammV2Accounts",
    }


@pytest.mark.parametrize("is_delegated", [False, True])
def test_what_plans_count_as_fitting_fits_into_one_transaction_whatever_its_pools(
    world: World, is_delegated: bool
) -> None:
    book = world.pools.read()
    room = room_of(book)
    owner = world.signer.wallet("owner").owner
    wallet = TradingWallet(desk_key_of(b"seed").key if is_delegated else owner, owner)
    most_legs = 0
    for _ in range(300):
        pools = world.chance.sample(sorted(book.pools), world.chance.randint(4, 12))
        while sum(map(room.taken, pools)) > room.most:
            pools.pop()
        swaps = tuple(
            FixedSwap(book.pools[one], 0, Exact.IN, 1_000, 1, SwapResult(1_000, 1, 0, 0, 0)) for one in pools
        )
        tokens = swaps[0].tokens[0], swaps[-1].tokens[1]
        if tokens[0] != tokens[1] and spans_few_tokens(swaps):
            assert has_room(FixedPlan(swaps, 1_000, frozenset()), wallet, tokens), pools
            most_legs = max(most_legs, len(pools))
    assert most_legs >= 6


def spans_few_tokens(swaps: Sequence[FixedSwap]) -> bool:
    """As in any plan of ours: a token between two hops comes with two legs at least."""
    return len({symbol for swap in swaps for symbol in swap.tokens}) <= 2 + len(swaps) // 2


@pytest.mark.parametrize("mode", SwapMode)
def test_largest_orders_are_planned_with_the_legs_that_their_transaction_has(
    world: World, mode: SwapMode
) -> None:
    book = world.pools.read()
    market, room = market_of(book), room_of(book)
    symbols = sorted(token.symbol for token in world.tokens)
    wallet = world.signer.wallet("owner")
    shortened = 0
    for _ in range(40):
        given, got = world.chance.sample(symbols, 2)
        named, other = (given, got) if mode is SwapMode.EXACT_IN else (got, given)
        amount = world.tokens[named].max_order_units * world.chance.randint(300, 1000) // 1000
        order = SwapOrder(mode, given, got, amount, world.tokens[other].leg_cost_units)
        try:
            best = best_plan(market, order)
        except RoutingError:
            continue
        try:
            plan = with_room(market, order, best, room)
        except InsufficientLiquidityError:
            assert len(best.legs) > 5, "nearly all that there is, which no transaction can fetch"
            continue
        assert room.holds(plan)
        assert plan.gap_bps >= best.gap_bps
        shortened += plan is not best
        wanted = SwapInstruction(
            "a", UUID(int=0), 1, mode, given, got, paths_of(plan, mode), threshold(plan, 100)
        )
        fixed = AmountFixer(book).fitting(wanted, partial(has_room, wallet=wallet, tokens=(given, got)))
        assert [swap.pool.pool_id for swap in fixed.swaps] == [leg.pool_id for leg in plan.legs]
    assert shortened


def test_orders_over_any_pair_land_with_amounts_that_balances_and_events_agree_on(world: World) -> None:
    symbols = sorted(token.symbol for token in world.tokens)
    for number in range(16):
        given, got = world.chance.sample(symbols, 2)
        mode = list(SwapMode)[number % 2]
        wanted = world.planned(given, got, mode, world.chance.randint(1, 200))
        before = world.pools.read()
        (sent,) = world.chain.sign([wanted])
        world.chain.send([sent])
        status = world.outcome(sent).statuses[sent.signature]
        assert status.signature_status is SignatureStatus.LANDED, (wanted, status)
        for leg in status.legs:
            assert abs(Decimal(leg.impact_bps) - Decimal(impact_before(before, leg))) <= Decimal("0.2"), leg
        assert status.network_fee_lamports == 5_000
        if mode is SwapMode.EXACT_IN:
            assert status.output_units >= wanted.threshold_units
        else:
            assert status.input_units <= wanted.threshold_units
        assert sum(leg.input_units for leg in status.legs if leg.token_in == given) == status.input_units


def impact_before(book: Book, leg: LegFill) -> str:
    """The impact of what a leg gave, by the pool that it met."""
    state, tokens = book.pools[leg.pool_id].state, book.pools[leg.pool_id].tokens
    token_in: TokenIndex = 0 if tokens[0] == leg.token_in else 1
    clock = book.clock
    asked = Swap(Exact.IN, leg.input_units, token_in, clock.unix_timestamp, clock.slot)
    return price_impact_bps(spot_price(state), token_in, swap(state, asked)[0])


@pytest.mark.parametrize(("given", "got"), [("SOL", "USDC"), ("USDC", "SOL")])
def test_sol_is_wrapped_and_unwrapped_where_the_wallet_has_no_wrapped_account(
    world: World, given: str, got: str
) -> None:
    wanted = world.planned(given, got, SwapMode.EXACT_IN, 3)
    wallet = world.signer.wallet(wanted.account_id)
    account = address_of(wallet.account(WRAPPED_SOL, TOKEN))
    world.process.call("chain_setAccount", account, None)
    (sent,) = world.chain.sign([wanted])
    world.chain.send([sent])
    status = world.outcome(sent).statuses[sent.signature]
    assert status.signature_status is SignatureStatus.LANDED
    assert world.process.call("getAccountInfo", account, {"encoding": "base64"})["value"] is None


def test_threshold_that_the_pools_no_longer_meet_is_refused_by_the_chain_by_name(world: World) -> None:
    wanted = world.planned("SOL", "USDC", SwapMode.EXACT_IN, 3)
    (sent,) = world.chain.sign([replace(wanted, threshold_units=wanted.threshold_units * 2)])
    world.chain.send([sent])
    status = world.outcome(sent).statuses[sent.signature]
    assert (status.signature_status, status.refusal) == (SignatureStatus.REFUSED, Code.SLIPPAGE_EXCEEDED)
    assert status.refusal_name in SLIPPAGE_NAMES
    assert status.network_fee_lamports == 5_000


def test_leg_that_would_fail_alone_before_it_is_signed_is_a_reason_to_plan_again(world: World) -> None:
    chain = solana_chain(world.chain._nodes, world.signer, world.pools, world.chain._names, is_simulated=True)
    wanted = world.planned("SOL", "USDC", SwapMode.EXACT_IN, 900)
    assert sum(len(hop) for path in wanted.paths for hop in path.hops) > 1
    with pytest.raises(PlanOutdatedError, match="saw a leg fail"):
        chain.sign([replace(wanted, threshold_units=wanted.threshold_units * 2)])


def test_same_bytes_sent_over_and_over_land_once(world: World) -> None:
    wanted = world.planned("SOL", "USDC", SwapMode.EXACT_IN, 3)
    (sent,) = world.chain.sign([wanted])
    before = world.process.call("chain_status")["transactions"]
    for _ in range(3):
        world.chain.send([sent])
    assert world.outcome(sent).statuses[sent.signature].signature_status is SignatureStatus.LANDED
    world.chain.send([sent])
    world.process.call("chain_advance", 3)
    assert world.process.call("chain_status")["transactions"] == before + 1


def test_orders_are_carried_out_by_nodes_that_take_one_call_a_request(world: World) -> None:
    wanted = [world.planned("SOL", "USDC", SwapMode.EXACT_IN, part) for part in (3, 4)]
    each = [RpcNode(f"http://127.0.0.1:{world.process.port}/nodes/{place}") for place in range(NODES)]
    nodes, names = RpcNodes(each), world.chain._names
    pools = PoolReader(nodes, IDS, world.pools._listed, world.tokens, now_unix_s=time.time, time_limit_s=10)
    chain = solana_chain(nodes, world.chain._signer, pools, names)
    world.process.call("chain_setFaults", {"batch_max": 1}, None)
    try:
        sent = chain.sign(wanted)
        chain.send(sent)
        for one in sent:
            status = replace(world, chain=chain).outcome(one).statuses[one.signature]
            assert status.signature_status is SignatureStatus.LANDED
    finally:
        world.process.call("chain_resetFaults")
        for node in each:
            node.close()


def test_node_that_shows_other_amounts_than_two_witnesses_is_outvoted(world: World) -> None:
    try:
        for liar in range(NODES):
            wanted = world.planned("SOL", "USDC", SwapMode.EXACT_IN, 3)
            world.process.call("chain_resetFaults")
            world.process.call("chain_setFaults", {"misreport_percent": 100}, liar)
            (sent,) = world.chain.sign([replace(wanted, order_id=UUID(int=10**6 + liar))])
            world.chain.send([sent])
            status = world.outcome(sent).statuses[sent.signature]
            assert status.signature_status is SignatureStatus.LANDED
            assert status.network_fee_lamports == 5_000
    finally:
        world.process.call("chain_resetFaults")


def test_transaction_that_every_node_lost_is_dead_once_its_blocks_are_over_and_not_before(
    world: World,
) -> None:
    wanted = world.planned("SOL", "USDC", SwapMode.EXACT_IN, 3)
    world.process.call("chain_setFaults", {"drop_percent": 100}, None)
    try:
        (sent,) = world.chain.sign([wanted])
        world.chain.send([sent])
        assert not world.chain.view([sent.signature]).proves_dead(sent, margin_blocks=2)
        world.process.call("chain_advance", 200)
        assert world.chain.view([sent.signature]).proves_dead(sent, margin_blocks=2)
    finally:
        world.process.call("chain_resetFaults")
    world.chain.send([sent])
    world.process.call("chain_advance", 3)
    assert (
        world.chain.view([sent.signature]).statuses[sent.signature].signature_status
        is SignatureStatus.UNKNOWN
    )


def test_desk_swaps_what_owners_have_approved_and_pays_the_owners(world: World) -> None:
    desk = desk_key_of(b"seed")
    world.process.call("chain_fund", address_of(desk.key))
    nodes, pools = world.chain._nodes, world.pools
    delegate = DelegateSigner(desk, lambda account_id: world.signer.wallet(account_id).owner)
    guarded = GuardedSigner(delegate, SigningRules(IDS))
    chain = solana_chain(nodes, guarded, pools, world.chain._names, is_simulated=True)
    for given, got in (("USDC", "SOL"), ("JUP", "mSOL")):
        wanted = world.planned(given, got, SwapMode.EXACT_IN, 5)
        with pytest.raises(RefusedError, match="has not approved the desk"):
            chain.sign([wanted])
        approve(world, wanted.account_id, desk.key, given)
        (sent,) = chain.sign([wanted])
        chain.send([sent])
        status = world.outcome(sent).statuses[sent.signature]
        assert status.signature_status is SignatureStatus.LANDED
        assert status.output_units >= wanted.threshold_units


def approve(world: World, account_id: str, desk: Pubkey, symbol: str) -> None:
    """Approve the desk for all that an owner may hold of a token, as its wallet would."""
    owner = world.signer.wallet(account_id).owner
    account = world.signer.wallet(account_id).account(pubkey(world.tokens[symbol].mint), TOKEN)
    data = b"\x04" + (2**63).to_bytes(8, "little")
    call = Instruction(TOKEN, (writable(account), readonly(desk), signer(owner)), data)
    recent = Blockhashes(world.chain._nodes, time_limit_s=10).recent()
    signed = sign(
        v0_message(owner, [call], recent.blockhash), {owner: partial(world.signer.sign, account_id)}
    )
    world.chain.send([SignedTransaction(signed.signature, signed.wire, recent.last_valid_height)])
    while world.process.call("getSignatureStatuses", [signed.signature])["value"][0] is None:
        time.sleep(0.02)
    world.process.call("chain_advance", 2)
