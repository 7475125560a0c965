"""Nearly all of a wallet's SOL, sold over several paths at once.

Each token between two hops takes an account, and each account takes rent.
"""

import base64
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final
from uuid import UUID

import pytest

from chalicelib.adapters.solana.fills import names_of
from chalicelib.adapters.solana.holdings import RESERVE_LAMPORTS_MIN
from chalicelib.adapters.solana.keys import NO_KEY, address_of, pubkey
from chalicelib.adapters.solana.landings import ToldLanding, agreed, status_of
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.rpc_answers import transaction
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.solana.signer import SeedSigner
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, RefusedError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import (
    InstructedLeg,
    InstructedPath,
    SignatureStatus,
    SwapInstruction,
    TransactionStatus,
)
from infra.chain.encoding import token_account
from tests.integration.solana.test_local_chain import World
from tests.support.local_chain import IDS, listed_pools, solana_chain
from tests.unit.infra.chain.running import running

FEE_LAMPORTS: Final = 5_000
RENT_LAMPORTS: Final = 2_039_280
"""Of a token account, on a chain whose rent never fell."""

BETWEEN: Final = ("ETH", "RAY", "WIF")
_TRUNCATED: Final = "Log truncated"
PART_LAMPORTS: Final = 10**7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("chain"), "--seed", "--block-ms", "50") as process:
        tokens = load_tokens()
        node = RpcNode(f"http://127.0.0.1:{process.port}")
        nodes = RpcNodes([node])
        listed = listed_pools(nodes, process.call("chain_status"), tokens)
        pools = PoolReader(nodes, IDS, listed, tokens, now_unix_s=time.time, time_limit_s=10)
        names = names_of(IDS, listed, tokens)._replace(bin_step=pools.bin_step)
        signer = SeedSigner(b"seed")
        yield World(
            process, tokens, pools, solana_chain(nodes, signer, pools, names), signer, random.Random(1)
        )
        node.close()


def sold_over_three_paths(world: World, account_id: str, venue: str = "meteora") -> SwapInstruction:
    """An order for USDC by a wallet that holds SOL alone."""
    book = world.pools.read()

    def legs(given: str, got: str, units: int) -> tuple[InstructedLeg, ...]:
        pool = next(
            pool for pool in book.pools.values() if set(pool.tokens) == {given, got} and pool.venue == venue
        )
        return (InstructedLeg(pool.pool_id, units),)

    paths = tuple(
        InstructedPath(("SOL", middle, "USDC"), (legs("SOL", middle, PART_LAMPORTS), legs(middle, "USDC", 1)))
        for middle in BETWEEN
    )
    return SwapInstruction(account_id, UUID(int=1), 1, SwapMode.EXACT_IN, "SOL", "USDC", paths, 1)


def give(world: World, account_id: str, lamports: int) -> None:
    """Have a wallet hold so much, and no token account."""
    shown = {"lamports": lamports, "owner": address_of(NO_KEY), "data": ["", "base64"], "executable": False}
    address = address_of(world.signer.wallet(account_id).owner)
    world.process.call("chain_setAccount", address, {**shown, "rentEpoch": 0, "space": 0})


def test_wallet_that_cannot_pay_for_the_accounts_of_an_order_is_refused_before_anything_is_signed(
    world: World,
) -> None:
    sold = len(BETWEEN) * PART_LAMPORTS
    give(world, "poor", sold + RESERVE_LAMPORTS_MIN + FEE_LAMPORTS)
    with pytest.raises(RefusedError, match="hold enough SOL") as refused:
        world.chain.sign([sold_over_three_paths(world, "poor")])
    assert refused.value.code is Code.INSUFFICIENT_FUNDS


def test_wallet_that_can_just_pay_for_the_accounts_of_an_order_has_it_executed(world: World) -> None:
    sold, accounts = len(BETWEEN) * PART_LAMPORTS, len(BETWEEN) + 2
    to_stay = 890_880  # what an account without data must hold
    give(world, "rich", sold + accounts * RENT_LAMPORTS + FEE_LAMPORTS + to_stay)
    (sent,) = world.chain.sign([sold_over_three_paths(world, "rich")])
    world.chain.send([sent])
    status = world.outcome(sent).statuses[sent.signature]
    assert status.signature_status is SignatureStatus.LANDED


def send_into(world: World, account_id: str, symbol: str, units: int, *, unsynchronized: int = 0) -> None:
    """Open a wallet's account of a token and send into it, as any stranger can."""
    wallet, mint = world.signer.wallet(account_id), pubkey(world.tokens[symbol].mint)
    held = token_account(mint, wallet.owner, units)
    shown = {"owner": address_of(TOKEN), "data": [base64.b64encode(held.data).decode(), "base64"]}
    more = {
        "lamports": held.lamports + unsynchronized,
        "executable": False,
        "rentEpoch": 0,
        "space": len(held.data),
    }
    world.process.call("chain_setAccount", address_of(wallet.between(mint, TOKEN)), {**shown, **more})


@pytest.mark.parametrize(("attempt", "refusal"), [(1, Code.TRANSACTION_FAILED), (2, None)])
def test_stranger_who_sends_into_what_an_order_opens_costs_it_one_attempt_at_most(
    world: World, attempt: int, refusal: Code | None
) -> None:
    account_id = f"sent to {attempt}"
    give(world, account_id, 10**9)
    (sent,) = world.chain.sign([replace(sold_over_three_paths(world, account_id), attempt=attempt)])
    send_into(world, account_id, BETWEEN[0], 1)
    world.chain.send([sent])
    status: TransactionStatus = world.outcome(sent).statuses[sent.signature]
    assert status.refusal is refusal
    assert (status.signature_status is SignatureStatus.LANDED) is (refusal is None)


@pytest.mark.parametrize("is_opened_before", [True, False])
@pytest.mark.parametrize(("given", "got"), [("SOL", "USDC"), ("USDC", "SOL")])
def test_lamports_that_a_stranger_sends_into_wrapped_sol_are_no_part_of_a_fill(
    world: World, given: str, got: str, *, is_opened_before: bool
) -> None:
    """What is there when the account is looked at is not closed; what comes later is unwrapped with it."""
    wanted = world.planned(given, got, SwapMode.EXACT_IN, 3)
    account = world.signer.wallet(wanted.account_id).account(WRAPPED_SOL, TOKEN)
    world.process.call("chain_setAccount", address_of(account), None)
    if is_opened_before:
        send_into(world, wanted.account_id, "SOL", 0, unsynchronized=7)
    (sent,) = world.chain.sign([wanted])
    if not is_opened_before:
        send_into(world, wanted.account_id, "SOL", 5)
    world.chain.send([sent])
    status = world.outcome(sent).statuses[sent.signature]
    assert status.signature_status is SignatureStatus.LANDED
    assert status.input_units == sum(leg.input_units for leg in status.legs if leg.token_in == given)
    assert status.output_units == sum(leg.output_units for leg in status.legs if leg.token_out == got)


def test_order_whose_log_is_cut_off_by_what_it_opens_ends_all_the_same(world: World) -> None:
    """Raydium's programs tell of a swap in the log alone, of which nodes keep 10,000 bytes."""
    give(world, "cut", 10**9)
    (sent,) = world.chain.sign([sold_over_three_paths(world, "cut", "raydium")])
    world.chain.send([sent])
    status = world.outcome(sent).statuses[sent.signature]
    assert status.signature_status is SignatureStatus.LANDED
    shown = world.process.call(
        "getTransaction", sent.signature, {"maxSupportedTransactionVersion": 1, "commitment": "confirmed"}
    )
    assert shown["meta"]["logMessages"][-1] == "Log truncated"
    assert status.input_units > 0
    assert status.output_units == sum(leg.output_units for leg in status.legs if leg.token_out == "USDC")
    assert any(leg.fee_units for leg in status.legs)
    assert not all(leg.fee_units for leg in status.legs)


def cut_off(logs: Sequence[str], limit: int) -> tuple[str, ...]:
    """What a node that keeps so many bytes shows: shorter lines may still fit after one that did not."""
    kept: list[str] = []
    taken = 0
    for line in logs:
        if taken + len(line) < limit:
            taken += len(line)
            kept.append(line)
        elif _TRUNCATED not in kept:
            kept.append(_TRUNCATED)
    return tuple(kept)


def cut_inside(logs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield what nodes may show that keep so many bytes, wherever those end, with a mark and without one."""
    for place, line in enumerate(logs):
        # Of what tells of a swap each length is tried, and some of the rest.
        for length in range(0, len(line), 1 if line.startswith("Program data") else 9):
            kept = (*logs[:place], *([line[:length]] if length else []))
            yield kept
            yield (*kept, _TRUNCATED)
            yield (*kept, _TRUNCATED, *(short for short in logs[place + 1 :] if len(short) < 70))


def test_log_that_a_node_cuts_off_anywhere_tells_no_other_amounts_and_no_other_fees(world: World) -> None:
    give(world, "inside", 10**9)
    (sent,) = world.chain.sign([sold_over_three_paths(world, "inside", "raydium")])
    world.chain.send([sent])
    world.outcome(sent)
    shown = world.process.call(
        "getTransaction", sent.signature, {"maxSupportedTransactionVersion": 1, "commitment": "confirmed"}
    )
    record = transaction(shown)
    assert record is not None
    most = status_of(record, world.chain._names)
    assert len(most.untold_legs) < len(most.legs)
    for logs in cut_inside(record.logs):
        status = status_of(replace(record, logs=logs), world.chain._names)
        assert (status.input_units, status.output_units) == (most.input_units, most.output_units)
        for place, (leg, told) in enumerate(zip(status.legs, most.legs, strict=True)):
            assert leg == told or place in status.untold_legs, logs[-2:]
        assert agreed([ToldLanding(0, status), ToldLanding(1, most)], 2) is not None


@pytest.mark.parametrize("venue", ["raydium", "meteora"])
def test_nodes_that_keep_logs_of_any_two_lengths_agree_what_an_order_moved(world: World, venue: str) -> None:
    account_id = f"{venue} cut"
    give(world, account_id, 10**9)
    (sent,) = world.chain.sign([sold_over_three_paths(world, account_id, venue)])
    world.chain.send([sent])
    assert world.outcome(sent).statuses[sent.signature].signature_status is SignatureStatus.LANDED
    shown = world.process.call(
        "getTransaction", sent.signature, {"maxSupportedTransactionVersion": 1, "commitment": "confirmed"}
    )
    record = transaction(shown)
    assert record is not None
    statuses = [
        status_of(replace(record, logs=cut_off(record.logs, limit)), world.chain._names)
        for limit in range(0, 10_000, 250)
    ]
    assert {len(status.untold_legs) for status in statuses} >= ({3, 6} if venue == "raydium" else {0})
    for one, other in combinations(statuses, 2):
        status = agreed([ToldLanding(0, one), ToldLanding(1, other)], 2)
        assert status is not None
        assert len(status.untold_legs) == max(len(one.untold_legs), len(other.untold_legs))
