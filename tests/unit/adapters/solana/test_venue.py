"""The venue and its reader, on nodes that hold the vectors' accounts."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.beside import Beside
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.clock import EPOCH_SLOTS, ClockSysvar
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.programs import (
    CLOCK_SYSVAR,
    PROGRAM_IDS,
    SYSVARS,
    TOKEN,
    Cluster,
    SwapProgram,
)
from chalicelib.adapters.solana.rpc_answers import account as read_account
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.venue import SolanaVenue, chain_time
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.domain.tokens import Token, TokenPair, Tokens
from chalicelib.services.ports import ChainTime
from tests.unit.adapters.solana.examples import a_case, a_pool
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of, shown
from tests.vectors.onchain import Case

VENUES = {
    SwapProgram.CPMM: "raydium",
    SwapProgram.CLMM: "raydium",
    SwapProgram.DLMM: "meteora",
    SwapProgram.DAMM_V2: "meteora",
}
CASES = {program: a_case(program) for program in SwapProgram}
CLOCK = CASES[SwapProgram.CPMM].clock
TOKENS = Tokens(
    [
        Token(f"{program.name}{token}", address_of(mint.key), mint.decimals, 1, 0)
        for program, case in CASES.items()
        for token, mint in enumerate(a_pool(case).mints)
    ],
    TokenPair("CPMM0", "CPMM1"),
)
LISTED = [
    ListedPool(program.name, VENUES[program], case.pool, (f"{program.name}0", f"{program.name}1"))
    for program, case in CASES.items()
]


def a_node(name: str = "node") -> FakeNode:
    node = FakeNode(name)
    for case in CASES.values():
        node.accounts.update(case.accounts)
    node.show_clock(CLOCK)
    return node


def nothing_beside(_: Book | None, __: int) -> Sequence[Beside]:
    return ()


def a_reader(
    *nodes: FakeNode,
    now_s: float = CLOCK.unix_timestamp,
    shared_for_s: float = 0.0,
    beside: Callable[[Book | None, int], Sequence[Beside]] = nothing_beside,
) -> PoolReader:
    return PoolReader(
        nodes_of(*nodes),
        PROGRAM_IDS[Cluster.MAINNET],
        LISTED,
        TOKENS,
        now_unix_s=lambda: now_s,
        time_limit_s=5,
        shared_for_s=shared_for_s,
        beside=beside,
        monotonic_s=lambda: 0.0,
    )


def change(node: FakeNode, case: Case, at: int, raw: bytes) -> None:
    account = node.accounts[case.pool]
    node.accounts[case.pool] = account._replace(data=account.data[:at] + raw + account.data[at + len(raw) :])


def test_node_answers_accounts_in_the_shape_that_is_read() -> None:
    account = Account(CASES[SwapProgram.CPMM].program_id, 7, b"data")
    assert read_account(shown(account)) == account


def test_venue_has_its_pools_as_the_bytes_say_and_no_other_venues() -> None:
    reader = a_reader(a_node())
    raydium, meteora = SolanaVenue("raydium", LISTED, reader), SolanaVenue("meteora", LISTED, reader)
    found = {pool.pool_id: pool for pool in [*raydium.offers(()).pools, *meteora.offers(()).pools]}
    assert {pool.pool_id for pool in raydium.offers(()).pools} == {"CPMM", "CLMM"}
    assert {pool_id: pool.state for pool_id, pool in found.items()} == {
        program.name: a_pool(case).state for program, case in CASES.items()
    }
    assert not raydium.offers(()).refused
    assert raydium.offers(()).chain_time == ChainTime(CLOCK.unix_timestamp, CLOCK.slot)


@pytest.mark.parametrize("is_delegated", [False, True])
def test_venue_whose_orders_a_delegate_signs_offers_nothing_that_leaves_a_rest_with_it(
    is_delegated: bool,
) -> None:
    room = SolanaVenue("raydium", LISTED, a_reader(a_node()), is_delegated=is_delegated).offers(()).room
    assert room is not None
    assert (room.passes_all_on is not None) == is_delegated


def test_pace_of_the_chains_slots_is_told_with_its_time() -> None:
    clock = ClockSysvar(8 * EPOCH_SLOTS + 1_000, 8, CLOCK.unix_timestamp, CLOCK.unix_timestamp - 210)
    assert chain_time(clock) == ChainTime(CLOCK.unix_timestamp, clock.slot, 0.21)


def test_pools_once_known_are_read_in_one_call() -> None:
    node = a_node()
    reader = a_reader(node)
    first = reader.read()
    node.asked.clear()
    assert reader.read().pools == first.pools
    assert [call.method for call in node.asked] == ["getMultipleAccounts"]


def test_venues_asked_side_by_side_share_one_read() -> None:
    node = a_node()
    reader = a_reader(node, shared_for_s=1.0)
    reader.read()
    asked = len(node.asked)
    reader.read()
    assert len(node.asked) == asked


def test_pool_that_cannot_be_traded_with_is_named_and_the_others_stay() -> None:
    node = a_node()
    change(node, CASES[SwapProgram.CPMM], 329, b"\x04")
    venue = SolanaVenue("raydium", LISTED, a_reader(node))
    assert [pool.pool_id for pool in venue.offers(()).pools] == ["CLMM"]
    assert list(venue.offers(()).refused) == [("CPMM", ("CPMM0", "CPMM1"), "swap_disabled: status 4")]


def test_venue_without_a_pool_to_trade_with_says_why() -> None:
    node = a_node()
    for program in (SwapProgram.CPMM, SwapProgram.CLMM):
        del node.accounts[CASES[program].pool]
    with pytest.raises(VenueUnavailableError, match=r"CPMM: missing_account.*CLMM: missing_account"):
        SolanaVenue("raydium", LISTED, a_reader(node)).offers(())


def test_pool_of_a_token_whose_mint_has_other_decimals_than_the_list_says_is_refused() -> None:
    wrong = Tokens(
        [replace(token, scale=token.scale + (token.symbol == "CPMM1")) for token in TOKENS],
        TOKENS.default_pair,
    )
    reader = PoolReader(
        nodes_of(a_node()),
        PROGRAM_IDS[Cluster.MAINNET],
        LISTED,
        wrong,
        now_unix_s=lambda: CLOCK.unix_timestamp,
        time_limit_s=5,
    )
    decimals = a_pool(CASES[SwapProgram.CPMM]).mints[1].decimals
    told = f"wrong_decimals: the mint of CPMM1 has {decimals} decimals, the list says {decimals + 1}"
    assert reader.read().refused == {"CPMM": told}


def test_pool_that_trades_other_mints_than_listed_is_refused() -> None:
    listed = [LISTED[0]._replace(tokens=("CPMM1", "CPMM0"))]
    node = a_node()
    reader = PoolReader(
        nodes_of(node),
        PROGRAM_IDS[Cluster.MAINNET],
        listed,
        TOKENS,
        now_unix_s=lambda: CLOCK.unix_timestamp,
        time_limit_s=5,
    )
    assert reader.read().refused == {"CPMM": "wrong_pool: it does not trade CPMM1 and CPMM0"}


def test_pool_without_a_vault_is_refused_and_not_guessed() -> None:
    node = a_node()
    reader = a_reader(node)
    reader.read()
    pool = reader.read().pools["CPMM"].on_chain
    del node.accounts[pool.vaults[0]]
    assert reader.read().refused["CPMM"].startswith("missing_account: no vault")
    assert isinstance(pool.state, CpmmPool)


def test_stale_node_is_passed_over_and_alone_it_is_no_venue(caplog: pytest.LogCaptureFixture) -> None:
    stale, fresh = a_node("stale"), a_node("fresh")
    stale.show_clock(CLOCK._replace(unix_timestamp=CLOCK.unix_timestamp - 61))
    assert a_reader(stale, fresh).read().clock.unix_timestamp == CLOCK.unix_timestamp
    with pytest.raises(VenueUnavailableError, match="no node answered in time"):
        SolanaVenue("raydium", LISTED, a_reader(stale)).offers(())
    assert "61 s behind ours" in caplog.records[-1].reason  # type: ignore[attr-defined]  # a fact of the line


def test_what_was_seen_of_the_chain_is_not_taken_back_by_a_node_behind() -> None:
    first, behind = a_node("first"), a_node("behind")
    reader = a_reader(first, behind)
    reader.read()
    first.failing = NodeError("gone")
    behind.show_clock(CLOCK._replace(slot=CLOCK.slot - 5))
    with pytest.raises(NodeError):
        reader.read()


def test_node_that_named_a_slot_far_ahead_stops_nobody_for_good() -> None:
    lying, honest = a_node("lying"), a_node("honest")
    lying.show_clock(CLOCK._replace(slot=2**50))
    reader = a_reader(lying, honest)
    assert reader.read().clock.slot == 2**50
    lying.failing = NodeError("gone")
    with pytest.raises(NodeError):
        reader.read()
    assert reader.read().clock.slot == CLOCK.slot


@pytest.mark.parametrize("clock", [None, Account(TOKEN, 1, bytes(40)), Account(SYSVARS, 1, bytes(39))])
def test_node_without_a_clock_is_passed_over(clock: Account | None) -> None:
    broken, fine = a_node("broken"), a_node("fine")
    if clock is None:
        del broken.accounts[CLOCK_SYSVAR]
    else:
        broken.accounts[CLOCK_SYSVAR] = clock
    assert a_reader(broken, fine).read().pools
