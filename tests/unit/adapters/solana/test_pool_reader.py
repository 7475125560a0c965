"""Reading pools: in how few calls, how long it is shared, and what is made of pools that were found."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.adapters.solana.beside import Beside
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster, SwapProgram
from chalicelib.adapters.solana.rpc_calls import RpcCall, get_epoch_info
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.domain.tokens import TokenPair, Tokens
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.examples import a_pool
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of
from tests.unit.adapters.solana.test_venue import CASES, CLOCK, LISTED, TOKENS, a_node, change

READ = "getMultipleAccounts"
CPMM = next(pool for pool in LISTED if pool.pool_id == "CPMM")


class Reading:
    """A reader of one node, on a clock that the test moves.

    Attributes:
        found: Pools beside the list.
        heard: What was answered to a question of another's that goes with each read.
    """

    def __init__(
        self, node: FakeNode, *, listed: Sequence[ListedPool] = LISTED, tokens: Tokens = TOKENS
    ) -> None:
        self.node, self.now_s = node, 100.0
        self.found: list[ListedPool] = []
        self.heard: list[Sequence[Any]] = []
        self.reader = PoolReader(
            nodes_of(node),
            PROGRAM_IDS[Cluster.MAINNET],
            listed,
            tokens,
            now_unix_s=lambda: CLOCK.unix_timestamp,
            time_limit_s=5,
            shared_for_s=0.05,
            found=lambda: self.found,
            beside=self._beside,
            monotonic_s=lambda: self.now_s,
        )

    def _beside(self, _: Book | None, __: int) -> Sequence[Beside]:
        return [Beside([get_epoch_info()], lambda _, answers: self.heard.append(answers))]

    def calls_of(self, read: Callable[[], Book]) -> int:
        """Return how many calls for accounts a read takes."""
        before = self.node.count(READ)
        read()
        return self.node.count(READ) - before


def copies(node: FakeNode, number: int) -> list[ListedPool]:
    """Put pools beside each other that differ in nothing but their addresses."""
    account = node.accounts[CPMM.key]
    keys = [a_key(5_000 + place) for place in range(number)]
    node.accounts.update(dict.fromkeys(keys, account))
    return [CPMM._replace(pool_id=address_of(key), key=key) for key in keys]


# This pair's array is named by its extension alone, which has to be read before.
@pytest.mark.parametrize(("pool_id", "calls"), [("CPMM", 2), ("CLMM", 2), ("DLMM", 3), ("DAMM_V2", 2)])
def test_pool_that_was_never_read_takes_a_call_or_two_more_than_one_that_was(
    pool_id: str, calls: int
) -> None:
    reading = Reading(a_node(), listed=[pool for pool in LISTED if pool.pool_id == pool_id])
    assert reading.calls_of(reading.reader.read) == calls
    assert {*reading.reader.read().pools} == {pool_id}
    reading.now_s += 1
    assert reading.calls_of(reading.reader.read) == 1


def test_pool_that_is_refused_takes_no_other_call() -> None:
    reading = Reading(a_node())
    reading.reader.read()
    change(reading.node, CASES[SwapProgram.CPMM], 329, b"\x04")
    reading.now_s += 1
    assert reading.calls_of(reading.reader.read) == 1
    assert {*reading.reader.read().refused} == {"CPMM"}


def test_what_is_asked_beside_is_asked_once_however_many_calls_a_read_takes() -> None:
    reading = Reading(a_node())
    reading.reader.read()
    assert (len(reading.heard), reading.node.count("getEpochInfo")) == (1, 1)


def test_reader_without_pools_has_the_clock_and_asks_what_is_asked_beside() -> None:
    reading = Reading(a_node(), listed=())
    assert reading.reader.read() == Book(CLOCK, {}, {})
    assert len(reading.heard) == 1


def test_read_is_shared_for_a_moment_and_not_with_who_asks_later() -> None:
    reading = Reading(a_node())
    reading.reader.read()
    reading.now_s += 0.04
    assert reading.calls_of(reading.reader.read) == 0
    reading.now_s += 0.02
    assert reading.calls_of(reading.reader.read) == 1


def test_pool_that_was_found_a_moment_ago_is_read_at_once() -> None:
    reading = Reading(a_node())
    reading.reader.read()
    reading.found = copies(reading.node, 1)
    assert reading.found[0].pool_id in reading.reader.read().pools


def test_recent_pools_are_those_read_last_until_they_are_too_old() -> None:
    reading = Reading(a_node())
    assert reading.calls_of(lambda: reading.reader.recent(2.0)) > 0
    reading.now_s += 1.9
    assert reading.calls_of(lambda: reading.reader.recent(2.0)) == 0
    reading.now_s += 0.2
    assert reading.calls_of(lambda: reading.reader.recent(2.0)) == 1


def test_pool_that_names_other_accounts_each_time_is_refused_and_the_others_stay() -> None:
    reading = Reading(a_node())
    config_at = 8

    def change_config(_: RpcCall) -> None:
        number = len(reading.node.asked)
        change(reading.node, CASES[SwapProgram.CPMM], config_at, a_key(6_000 + number))

    reading.node.on_call = change_config
    book = reading.reader.read()
    assert {*book.pools} == {pool.pool_id for pool in LISTED} - {"CPMM"}
    assert book.refused["CPMM"].startswith("implausible")


def test_pool_of_mints_in_no_list_is_read_by_their_addresses() -> None:
    reading = Reading(a_node())
    (found,) = copies(reading.node, 1)
    mints = [address_of(mint.key) for mint in a_pool(CASES[SwapProgram.CPMM]).mints]
    unlisted = Tokens([token for token in TOKENS if token.mint not in mints], TokenPair("CLMM0", "CLMM1"))
    reading = Reading(reading.node, listed=LISTED[1:], tokens=unlisted)
    reading.found = [found._replace(tokens=(mints[0], mints[1]))]
    assert reading.reader.read().pools[found.pool_id].tokens == (mints[0], mints[1])
    reading.found = [found._replace(tokens=(mints[1], mints[0]))]
    assert found.pool_id not in reading.reader.read().pools


def test_found_pool_is_none_of_the_list_and_left_out_in_silence_if_it_cannot_be_traded_with() -> None:
    reading = Reading(a_node())
    sound, broken = reading.found = copies(reading.node, 2)
    reading.node.accounts[broken.key] = reading.node.accounts[broken.key]._replace(data=b"")
    book = reading.reader.read()
    assert {pool_id for pool_id, pool in book.pools.items() if not pool.is_listed} == {sound.pool_id}
    assert not book.refused


def test_pools_of_several_calls_are_as_old_as_the_oldest_of_these() -> None:
    reading = Reading(a_node())
    reading.found = copies(reading.node, 100)
    later = CLOCK._replace(slot=CLOCK.slot + 1, unix_timestamp=CLOCK.unix_timestamp + 1)

    def move_on(_: RpcCall) -> None:
        if reading.node.count(READ) > 1:
            reading.node.show_clock(later)

    reading.reader.read()
    reading.now_s += 1
    reading.node.asked.clear()
    reading.node.on_call = move_on
    book = reading.reader.read()
    assert reading.node.count(READ) == 2
    assert max(len(call.params[0]) for call in reading.node.asked if call.method == READ) <= 100
    assert len(book.pools) == len(LISTED) + 100
    assert book.clock == CLOCK


def test_step_of_a_pair_is_known_of_pairs_alone_and_without_a_node_from_the_last_read() -> None:
    reading = Reading(a_node())
    pair, state = CASES[SwapProgram.DLMM].pool, a_pool(CASES[SwapProgram.DLMM]).state
    assert isinstance(state, DlmmPool)
    reading.node.failing = NodeError("gone")
    assert reading.reader.bin_step(pair) is None
    reading.node.failing = None
    assert reading.reader.bin_step(pair) == state.parameters.bin_step
    reading.node.failing = NodeError("gone")
    assert reading.reader.bin_step(pair) == state.parameters.bin_step
    assert reading.reader.bin_step(CPMM.key) is None


def test_pool_whose_price_comes_back_to_its_arrays_is_read_with_them_at_once() -> None:
    node, case = a_node(), CASES[SwapProgram.DLMM]
    active = int.from_bytes(node.accounts[case.pool].data[76:80], "little", signed=True)
    arrays = a_pool(case).arrays  # type: ignore[union-attr]  # a pair has some
    change(node, case, 76, (-active).to_bytes(4, "little", signed=True))
    reading = Reading(node)
    assert reading.reader.read().pools["DLMM"].on_chain.arrays != arrays  # type: ignore[union-attr]
    change(node, case, 76, active.to_bytes(4, "little", signed=True))
    reading.now_s += 1
    assert reading.reader.read().pools["DLMM"].on_chain == a_pool(case)
