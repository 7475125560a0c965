"""Trades on the simulated market land whole, once, at the state's own price, and the books balance."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from chalicelib.adapters.simulated_market.chain import MarketChain
from chalicelib.adapters.simulated_market.transactions import signed_text, wallet_of
from chalicelib.adapters.simulated_market.wallets import FAUCET_ORDERS
from chalicelib.amm.pools import spot_price, swap
from chalicelib.amm.swaps import Swap
from chalicelib.domain.errors import Code
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import (
    InstructedLeg,
    InstructedPath,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
)
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from tests.integration.simulated_market.conftest import (
    AT_ONCE,
    DIRECT,
    WALLET_SEED,
    MarketUnderTest,
    a_swap,
    status_of,
)

ALICE = wallet_of(WALLET_SEED, "alice").address
KINDS = (DIRECT, "raydium-clmm-SOL-USDC-4", "meteora-dlmm-SOL-USDC-10", "meteora-damm_v2-SOL-USDC-25")
TWO_HOPS = ("RAY", "raydium-cpmm-RAY-SOL-25", "SOL", DIRECT, "USDC")


def instructed(plan: Plan) -> SwapInstruction:
    """The plan as a transaction that accepts nothing worse."""
    is_exact_in = plan.mode is SwapMode.EXACT_IN
    paths = [
        InstructedPath(
            path.tokens,
            tuple(
                tuple(
                    InstructedLeg(leg.pool_id, leg.amount_in if is_exact_in else leg.amount_out)
                    for leg in path.legs
                    if leg.token_in == token_in
                )
                for token_in in path.tokens[:-1]
            ),
        )
        for path in plan.paths
    ]
    return replace(
        a_swap(mode=plan.mode, threshold_units=plan.amount_out if is_exact_in else plan.amount_in),
        input_token=plan.input_token,
        output_token=plan.output_token,
        paths=tuple(paths),
    )


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("pool_id", KINDS)
def test_landed_swap_moves_what_the_pool_state_quotes(
    market: MarketUnderTest, pool_id: str, mode: SwapMode
) -> None:
    node = market.node()
    amount = 30 * 10**9 if mode is SwapMode.EXACT_IN else 5_000 * 10**6
    quoted, after = swap(market.pools()[pool_id].state, Swap(EXACT[mode], amount, 0, market.now_s()))
    (transaction,) = node.sign([a_swap(amount, route=("SOL", pool_id, "USDC"), mode=mode)])
    node.send([transaction])
    status = status_of(node, transaction)
    assert status.signature_status is SignatureStatus.LANDED
    assert (status.input_units, status.output_units) == (quoted.amount_in, quoted.amount_out)
    (leg,) = status.legs
    assert (leg.fee_units, leg.fee_token) == (quoted.trade_fee, ("SOL", "USDC")[quoted.fee_token])
    assert spot_price(market.pools()[pool_id].state) == spot_price(after)
    assert market.violations() == []


def test_wallet_pays_the_input_and_gets_the_output(market: MarketUnderTest) -> None:
    node = market.node()
    (transaction,) = node.sign([a_swap(7 * 10**9)])
    node.send([transaction])
    status = status_of(node, transaction)
    given = {token.symbol: token.max_order_units * FAUCET_ORDERS for token in market.tokens}
    assert market.balance(ALICE, "SOL") == given["SOL"] - 7 * 10**9
    assert market.balance(ALICE, "USDC") == given["USDC"] + status.output_units
    assert market.balance(ALICE, "BONK") == given["BONK"]


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize(("sold", "bought"), [("SOL", "USDC"), ("WIF", "JUP"), ("USDT", "BONK")])
def test_routed_order_executes_exactly_as_planned(
    market: MarketUnderTest, mode: SwapMode, sold: str, bought: str
) -> None:
    node = market.node()
    named = market.tokens[sold] if mode is SwapMode.EXACT_IN else market.tokens[bought]
    plan = best_plan(
        Market(market.pools().values(), market.now_s()),
        SwapOrder(mode, sold, bought, named.max_order_units // 50, leg_cost=1),
    )
    (transaction,) = node.sign([instructed(plan)])
    node.send([transaction])
    status = status_of(node, transaction)
    assert (status.input_units, status.output_units) == (plan.amount_in, plan.amount_out)
    assert {leg.pool_id: leg.output_units for leg in status.legs} == {
        leg.pool_id: leg.amount_out for leg in plan.legs
    }
    assert market.violations() == []


def test_second_hop_that_fails_leaves_the_first_untouched(market: MarketUnderTest) -> None:
    node = market.node()
    before = market.pools()
    wanted_too_much = a_swap(10**9, route=TWO_HOPS, threshold_units=2**63)
    no_such_pool = a_swap(10**9, route=(*TWO_HOPS[:3], "no-such-pool", "USDC"))
    refused, failed = node.sign([wanted_too_much, no_such_pool])
    node.send([refused, failed])
    assert status_of(node, refused).refusal is Code.SLIPPAGE_EXCEEDED
    assert status_of(node, failed).refusal is Code.TRANSACTION_FAILED
    assert market.pools() == before
    assert market.violations() == []


def test_two_hops_land_together(market: MarketUnderTest) -> None:
    node = market.node()
    (transaction,) = node.sign([a_swap(500 * 10**6, route=TWO_HOPS)])
    node.send([transaction])
    first, second = status_of(node, transaction).legs
    assert first.output_units == second.input_units
    assert market.violations() == []


def test_hop_over_two_pools_shares_by_plan_and_gives_the_rest_to_the_last(market: MarketUnderTest) -> None:
    node = market.node()
    path = InstructedPath(("SOL", "USDC"), ((InstructedLeg(KINDS[0], 1), InstructedLeg(KINDS[1], 2)),))
    onward = InstructedPath(
        ("RAY", "SOL", "USDC"),
        ((InstructedLeg("raydium-cpmm-RAY-SOL-25", 10**8),), path.hops[0]),
    )
    (transaction,) = node.sign([replace(a_swap(), input_token="RAY", paths=(onward,))])
    node.send([transaction])
    first, second, third = status_of(node, transaction).legs
    assert second.input_units == first.output_units // 3
    assert third.input_units == first.output_units - second.input_units


@pytest.mark.parametrize("mode", SwapMode)
def test_price_that_another_trade_moved_is_refused_under_the_lock(
    market: MarketUnderTest, mode: SwapMode
) -> None:
    node, other = market.node(), market.node()
    request = Swap(EXACT[mode], 10**9 if mode is SwapMode.EXACT_IN else 10**8, 0, market.now_s())
    quoted, _ = swap(market.pools()[DIRECT].state, request)
    exact = quoted.amount_out if mode is SwapMode.EXACT_IN else quoted.amount_in
    (mine,) = node.sign([a_swap(request.amount, mode=mode, threshold_units=exact)])
    (theirs,) = other.sign([a_swap(10**10, account_id="bob")])
    other.send([theirs])
    node.send([mine])
    status = status_of(node, mine)
    assert (status.signature_status, status.refusal) == (SignatureStatus.REFUSED, Code.SLIPPAGE_EXCEEDED)
    assert market.violations() == []


@pytest.mark.parametrize(
    ("instruction", "code"),
    [
        (a_swap(10**18), Code.INSUFFICIENT_FUNDS),
        (a_swap(1), Code.SLIPPAGE_EXCEEDED),  # too little to buy one unit
        (a_swap(10**14, mode=SwapMode.EXACT_OUT), Code.INSUFFICIENT_LIQUIDITY),
        (a_swap(-5), Code.TRANSACTION_FAILED),
        (a_swap(0), Code.TRANSACTION_FAILED),
        (a_swap(route=("SOL", DIRECT, "BONK")), Code.TRANSACTION_FAILED),
        (a_swap(route=("FOO", DIRECT, "USDC")), Code.TRANSACTION_FAILED),
        (replace(a_swap(), paths=()), Code.TRANSACTION_FAILED),
        (replace(a_swap(), paths=(InstructedPath(("SOL", "USDC"), ((),)),)), Code.TRANSACTION_FAILED),
        (replace(a_swap(), input_token="USDC"), Code.TRANSACTION_FAILED),
        (replace(a_swap(), output_token="SOL"), Code.TRANSACTION_FAILED),
    ],
)
def test_impossible_swap_is_refused_for_good_and_moves_nothing(
    market: MarketUnderTest, instruction: SwapInstruction, code: Code
) -> None:
    node = market.node()
    before = market.pools()
    (transaction,) = node.sign([instruction])
    node.send([transaction])
    assert status_of(node, transaction).refusal is code
    assert market.pools() == before
    assert market.violations() == []


def test_wallet_without_faucet_has_no_funds(market: MarketUnderTest) -> None:
    node = market.node(replace(AT_ONCE, is_faucet_on=False))
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    assert status_of(node, transaction).refusal is Code.INSUFFICIENT_FUNDS


def test_one_refused_swap_does_not_hold_up_the_batch(market: MarketUnderTest) -> None:
    node = market.node()
    batch = node.sign([a_swap(10**9), a_swap(10**18), a_swap(10**9)])
    node.send(batch)
    signature_statuses = node.view([each.signature for each in batch]).statuses
    assert [signature_statuses[each.signature].signature_status for each in batch] == [
        SignatureStatus.LANDED,
        SignatureStatus.REFUSED,
        SignatureStatus.LANDED,
    ]
    # The third was priced after the first.
    assert (
        signature_statuses[batch[2].signature].output_units
        < signature_statuses[batch[0].signature].output_units
    )


def test_same_bytes_sent_again_execute_once(market: MarketUnderTest) -> None:
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    node.send([transaction, transaction])
    status, pools = status_of(node, transaction), market.pools()
    market.node().send([transaction])
    assert status_of(node, transaction) == status
    assert market.pools() == pools


def send_at_once(nodes: Sequence[MarketChain], transaction: SignedTransaction) -> None:
    start = Barrier(len(nodes))

    def send(node: MarketChain) -> None:
        start.wait()
        node.send([transaction])

    with ThreadPoolExecutor(len(nodes)) as threads:
        list(threads.map(send, nodes))


def test_same_bytes_sent_by_many_at_once_execute_once(market: MarketUnderTest) -> None:
    nodes = [market.node() for _ in range(6)]
    (transaction,) = nodes[0].sign([a_swap()])
    send_at_once(nodes, transaction)
    assert status_of(nodes[0], transaction).signature_status is SignatureStatus.LANDED
    assert market.balance(ALICE, "SOL") == market.tokens["SOL"].max_order_units * FAUCET_ORDERS - 10**9
    assert market.violations() == []


def test_same_bytes_that_touch_no_row_are_refused_once_for_all_who_send_them(market: MarketUnderTest) -> None:
    nodes = [market.node() for _ in range(6)]
    for _ in range(5):
        (transaction,) = nodes[0].sign([a_swap(route=("FOO", "no-such-pool", "BAR"))])
        send_at_once(nodes, transaction)
        assert status_of(nodes[0], transaction).refusal is Code.TRANSACTION_FAILED


def test_bytes_that_the_wallet_did_not_sign_vanish(market: MarketUnderTest) -> None:
    node = market.node()
    mine, other = node.sign([a_swap(10**9), a_swap(2 * 10**9)])
    forged = replace(mine, payload=other.payload)
    altered = replace(mine, payload=signed_text(mine.payload).replace(b"1000000000", b"1000000001", 1))
    garbage = replace(mine, signature="0OIl", payload=b"\xff not json")
    node.send([forged, altered, garbage])
    statuses = node.view([mine.signature, garbage.signature]).statuses
    assert {status.signature_status for status in statuses.values()} == {SignatureStatus.UNKNOWN}
