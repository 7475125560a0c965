"""Seeded pools: the adapter reads them, and swaps of all four programs land as it quotes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey as SvmKey
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.instructions import (
    Instruction,
    create_token_account,
    readonly,
    signer,
    u8,
    u64,
    writable,
)
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.pool_reading import OnChainPool, tradable
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import token_account_of
from chalicelib.amm.pools import reserves, swap
from chalicelib.amm.swaps import Exact, Swap, SwapResult, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.exactness import EXACT
from infra.chain.chain import Chain, Commitment
from infra.chain.fork import ForkError
from infra.chain.market_maker import WanderingMarket, as_svm, read_pool
from infra.chain.network import network
from infra.chain.outcomes import Outcome
from infra.chain.seed import fund, seed_chain, wallet
from tests.unit.infra.chain.builders import Time, a_chain, a_wallet, key_of, signed

KINDS = {"cpmm", "clmm", "dlmm", "damm_v2"}
TOKENS: tuple[TokenIndex, TokenIndex] = (0, 1)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    time = Time()
    chain = a_chain(tmp_path_factory.mktemp("chain"), time=time)
    seed_chain(chain, [])
    chain.seal()
    yield chain
    chain._store.close()


def seeded(chain: Chain, kind: str) -> list[Pubkey]:
    return [pubkey(pool["address"]) for pool in chain.fact("pools") if pool["kind"] == kind]


def quoted(chain: Chain, pool: OnChainPool, mode: SwapMode, token_in: TokenIndex, amount: int) -> SwapResult:
    clock = chain.clock
    request = Swap(EXACT[mode], amount, token_in, clock.unix_timestamp, clock.slot)
    return swap(tradable(pool, clock.epoch), request)[0]


def terms_of(
    trader: Keypair, pool: OnChainPool, mode: SwapMode, token_in: TokenIndex, amount: int, threshold: int
) -> SwapTerms:
    accounts = [associated_token_account(key_of(trader), mint.key, mint.program) for mint in pool.mints]
    return SwapTerms(
        key_of(trader), accounts[token_in], accounts[1 - token_in], token_in, mode, amount, threshold
    )


def traded(chain: Chain, trader: Keypair, pool: OnChainPool, terms: SwapTerms) -> Outcome:
    instructions = [set_compute_unit_limit(800_000), as_svm(pool.swap(terms))]
    return chain.land(chain.prepare(signed(chain, trader, instructions)))


def held(chain: Chain, key: Pubkey) -> int:
    account = chain.account(key)
    return 0 if account is None else token_account_of(account).amount


def test_a_seeded_chain_has_ten_tokens_and_pools_of_all_kinds(chain: Chain) -> None:
    assert len(chain.fact("tokens")) == 10
    pools = chain.fact("pools")
    assert len(pools) >= 20
    assert {pool["kind"] for pool in pools} == KINDS
    assert len({pool["address"] for pool in pools}) == len(pools)
    for pool in pools:
        state = read_pool(chain, pubkey(pool["address"]))
        assert min(reserves(state.state)) > 0, pool["id"]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("mode", list(SwapMode))
def test_swaps_in_every_seeded_pool_move_what_the_adapter_quotes(
    chain: Chain, kind: str, mode: SwapMode
) -> None:
    trader = wallet(0)
    for key in seeded(chain, kind):
        for token_in in TOKENS:
            pool = read_pool(chain, key)
            counted = token_in if mode is SwapMode.EXACT_IN else 1 - token_in
            amount = reserves(pool.state)[counted] // 5_000
            result = quoted(chain, pool, mode, token_in, amount)
            threshold = result.amount_out if mode is SwapMode.EXACT_IN else result.amount_in
            terms = terms_of(trader, pool, mode, token_in, amount, threshold)
            before = held(chain, terms.input_account), held(chain, terms.output_account)
            assert traded(chain, trader, pool, terms).err is None
            after = held(chain, terms.input_account), held(chain, terms.output_account)
            assert (before[0] - after[0], after[1] - before[1]) == (result.amount_in, result.amount_out)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_threshold_one_unit_beyond_the_quote_is_refused(chain: Chain, kind: str) -> None:
    trader = wallet(1)
    pool = read_pool(chain, seeded(chain, kind)[0])
    amount = reserves(pool.state)[0] // 5_000
    result = quoted(chain, pool, SwapMode.EXACT_IN, 0, amount)
    terms = terms_of(trader, pool, SwapMode.EXACT_IN, 0, amount, result.amount_out + 1)
    assert traded(chain, trader, pool, terms).err is not None
    assert read_pool(chain, pool.key).state == pool.state


def test_two_swaps_of_one_pool_in_one_transaction_see_each_other(chain: Chain) -> None:
    trader = wallet(0)
    for kind in sorted(KINDS):
        pool = read_pool(chain, seeded(chain, kind)[0])
        amount = reserves(pool.state)[0] // 5_000
        clock = chain.clock
        request = Swap(Exact.IN, amount, 0, clock.unix_timestamp, clock.slot)
        first, after = swap(tradable(pool, clock.epoch), request)
        second, _ = swap(after, request)
        terms = [
            terms_of(trader, pool, SwapMode.EXACT_IN, 0, amount, result.amount_out)
            for result in (first, second)
        ]
        instructions = [set_compute_unit_limit(1_400_000), *(as_svm(pool.swap(one)) for one in terms)]
        outcome = chain.land(chain.prepare(signed(chain, trader, instructions)))
        assert outcome.err is None
        assert sorted(outcome.inner) == [1, 2]


def test_if_a_later_instruction_fails_the_swap_before_it_never_happened(chain: Chain) -> None:
    trader = wallet(0)
    pool = read_pool(chain, seeded(chain, "cpmm")[0])
    good = terms_of(trader, pool, SwapMode.EXACT_IN, 0, 1_000_000, 1)
    greedy = good._replace(threshold=2**63)
    instructions = [as_svm(pool.swap(good)), as_svm(pool.swap(greedy))]
    outcome = chain.land(chain.prepare(signed(chain, trader, instructions)))
    assert outcome.err == {"InstructionError": [1, {"Custom": 6005}]}
    assert read_pool(chain, pool.key).state == pool.state


def test_a_swap_into_an_account_made_in_the_same_transaction_lands(chain: Chain) -> None:
    trader = a_wallet(chain)
    pool = read_pool(chain, seeded(chain, "cpmm")[0])  # SOL/USDC
    fund(chain, key_of(trader))
    out = associated_token_account(key_of(trader), pool.mints[1].key, pool.mints[1].program)
    chain.put({out: None})
    terms = terms_of(trader, pool, SwapMode.EXACT_IN, 0, 1_000_000_000, 1)
    refused = chain.land(chain.prepare(signed(chain, trader, [as_svm(pool.swap(terms))])))
    assert refused.err == {"InstructionError": [0, {"Custom": 3012}]}
    mint = pool.mints[1]
    create = create_token_account(key_of(trader), key_of(trader), mint.key, mint.program)
    outcome = chain.land(chain.prepare(signed(chain, trader, [as_svm(create), as_svm(pool.swap(terms))])))
    assert outcome.err is None
    assert held(chain, out) > 0


def test_somebody_elses_tokens_are_not_swapped(chain: Chain) -> None:
    thief, owner = a_wallet(chain), wallet(2)
    pool = read_pool(chain, seeded(chain, "damm_v2")[0])
    terms = terms_of(owner, pool, SwapMode.EXACT_IN, 0, 1_000, 1)._replace(authority=key_of(thief))
    outcome = traded(chain, thief, pool, terms)
    assert outcome.err == {"InstructionError": [1, {"Custom": 4}]}


def test_a_delegate_swaps_within_its_allowance_and_not_a_unit_more(chain: Chain) -> None:
    owner, desk = wallet(2), a_wallet(chain)
    for kind in sorted(KINDS):
        pool = read_pool(chain, seeded(chain, kind)[0])
        terms = terms_of(owner, pool, SwapMode.EXACT_IN, 0, 1_000_000, 1)
        approve = Instruction(
            pool.mints[0].program,
            (writable(terms.input_account), readonly(key_of(desk)), signer(key_of(owner))),
            u8(4) + u64(1_500_000),
        )
        assert chain.land(chain.prepare(signed(chain, owner, [as_svm(approve)]))).err is None
        by_desk = terms._replace(authority=key_of(desk))
        outcomes = []
        for _ in range(2):
            outcomes.append(traded(chain, desk, read_pool(chain, pool.key), by_desk).err)
            chain.seal()
        assert outcomes == [None, {"InstructionError": [1, {"Custom": 1}]}], kind


def test_a_swap_whose_accounts_come_from_a_lookup_table_lands(chain: Chain) -> None:
    trader = wallet(0)
    pool = read_pool(chain, seeded(chain, "dlmm")[0])
    swapped = pool.swap(terms_of(trader, pool, SwapMode.EXACT_IN, 0, 1_000_000, 1))
    addresses = [meta.key for meta in swapped.accounts if not meta.is_signer]
    table = pubkey("BnX1T49aAa9KzxvNFpyKaxGAHJcqvW2xtxkikL21QQZk")
    head = b"\1\0\0\0" + b"\xff" * 8 + bytes(8 + 1 + 1 + 32 + 2)
    tables = pubkey("AddressLookupTab1e1111111111111111111111111")
    chain.put({table: Account(tables, 10**9, head + b"".join(addresses))})
    blockhash, _ = chain.latest_blockhash(chain.view(Commitment.PROCESSED))
    instructions = [set_compute_unit_limit(800_000), as_svm(swapped)]
    looked_up = AddressLookupTableAccount(SvmKey(table), [SvmKey(key) for key in addresses])
    message = MessageV0.try_compile(trader.pubkey(), instructions, [looked_up], Hash.from_bytes(blockhash))
    assert len(message.account_keys) < 6
    outcome = chain.land(chain.prepare(VersionedTransaction(message, [trader])))
    assert outcome.err is None
    loaded = chain.open.landed[-1].record["meta"]["loadedAddresses"]
    assert len(loaded["writable"]) + len(loaded["readonly"]) >= 10


def test_a_chain_that_copies_another_swaps_in_its_pools_without_touching_it(
    chain: Chain, tmp_path: Path
) -> None:
    copy = a_chain(tmp_path)

    def fetch(keys: list[Pubkey]) -> None:
        found = {key: chain.account(key) for key in keys}
        copy.put({key: account for key, account in found.items() if account is not None})

    copy.fetch = fetch
    trader = wallet(0)
    for kind in sorted(KINDS):
        pool = read_pool(copy, seeded(chain, kind)[0])
        amount = reserves(pool.state)[0] // 5_000
        result = quoted(copy, pool, SwapMode.EXACT_IN, 0, amount)
        terms = terms_of(trader, pool, SwapMode.EXACT_IN, 0, amount, result.amount_out)
        assert traded(copy, trader, pool, terms).err is None
        balances = copy.open.landed[-1].record["meta"]["postTokenBalances"]
        decimals = {address_of(mint.key): mint.decimals for mint in pool.mints}
        assert {one["mint"]: one["uiTokenAmount"]["decimals"] for one in balances} == decimals
        assert read_pool(chain, pool.key).state == pool.state


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_vault_of_another_pool_is_refused(chain: Chain, kind: str) -> None:
    trader = wallet(0)
    first, second = (read_pool(chain, key) for key in seeded(chain, kind)[:2])
    terms = terms_of(trader, first, SwapMode.EXACT_IN, 0, 1_000_000, 1)
    instruction = first.swap(terms)
    forged = tuple(
        meta._replace(key=second.vaults[0]) if meta.key == first.vaults[0] else meta
        for meta in instruction.accounts
    )
    outcome = chain.land(
        chain.prepare(signed(chain, trader, [as_svm(instruction._replace(accounts=forged))]))
    )
    assert isinstance(outcome.err, dict)
    assert read_pool(chain, first.key).state == first.state


def test_the_unit_limit_of_a_swap_is_kept(chain: Chain) -> None:
    trader = wallet(0)
    pool = read_pool(chain, seeded(chain, "clmm")[0])
    terms = terms_of(trader, pool, SwapMode.EXACT_IN, 0, 1_000_000, 1)
    instructions = [set_compute_unit_limit(20_000), as_svm(pool.swap(terms))]
    outcome = chain.land(chain.prepare(signed(chain, trader, instructions)))
    assert outcome.err == {"InstructionError": [1, "ComputationalBudgetExceeded"]}
    assert read_pool(chain, pool.key).state == pool.state


def test_the_market_maker_moves_prices_and_all_its_trades_land(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    seed_chain(chain, [])
    made = network(chain, block_ms=None)
    maker = WanderingMarket(made, 1)
    fund(chain, maker.key)
    for _ in range(20):
        maker.step()
        made.seal()
    landed = [one for changes in chain.sealed for one in changes.landed]
    assert len(landed) >= 30
    assert [one.record["meta"]["err"] for one in landed] == [None] * len(landed)


def test_the_market_waits_while_the_node_to_copy_from_does_not_answer(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    seed_chain(chain, [])
    asked: list[Pubkey] = []

    def fails(keys: list[Pubkey]) -> None:
        asked.extend(keys)
        raise ForkError("no answer")

    chain.fetch = fails
    WanderingMarket(network(chain, block_ms=None), 1).step()
    assert asked


def test_seeding_and_funding_once_more_takes_nothing_away(chain: Chain) -> None:
    pools = chain.fact("pools")
    before = {key: chain.account(key) for key in chain.keys}
    seed_chain(chain, [])
    assert chain.fact("pools") == pools
    assert {key: chain.account(key) for key in chain.keys} == before
