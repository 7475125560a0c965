"""A transaction moves the books by what its swaps moved, to the last unit, or not at all."""

from collections import Counter
from copy import deepcopy
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.simulated_market.pool_rows import MarketPool
from chalicelib.adapters.simulated_market.swap_execution import Books, execute
from chalicelib.adapters.simulated_market.transactions import Message, Transaction
from chalicelib.domain.errors import Code
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction

POOLS = {
    pool.pool_id: MarketPool(
        pool.pool_id, pool.venue, (pool.base.symbol, pool.quote.symbol), opening_state(pool), version=1
    )
    for pool in load_market().pools
}
NOW_S = 1_800_000_000
PLENTY = 10**30


def some_books() -> Books:
    tokens = [token.symbol for token in load_market().tokens]
    return Books(dict(POOLS), {("me", token): PLENTY for token in tokens})


def a_transaction(
    amount: int, mode: SwapMode, *paths: tuple[str, ...], threshold: int | None = None
) -> Transaction:
    """Each path is tokens and pools in turn."""
    anything = 1 if mode is SwapMode.EXACT_IN else 2**64
    instruction = SwapInstruction(
        account_id="me",
        order_id=UUID(int=1),
        attempt=1,
        swap_mode=mode,
        input_token=paths[0][0],
        output_token=paths[0][-1],
        paths=tuple(
            InstructedPath(path[::2], tuple((InstructedLeg(pool_id, amount),) for pool_id in path[1::2]))
            for path in paths
        ),
        threshold_units=anything if threshold is None else threshold,
    )
    return Transaction("signature", Message(1, "me", instruction, 0, ""))


def token_moves(books: Books) -> Counter[str]:
    total: Counter[str] = Counter()
    for (_, token), units in books.wallet_moves.items():
        total[token] += units
    for (_, token), by_bucket in books.vault_moves.items():
        total[token] += sum(by_bucket)
    return total


PATHS: list[tuple[str, ...]] = [(pool.tokens[0], pool.pool_id, pool.tokens[1]) for pool in POOLS.values()]
PATHS += [path[::-1] for path in PATHS]
PATHS += [
    (*first, *second[1:])
    for first in PATHS[: len(POOLS)]
    for second in PATHS[: len(POOLS)]
    if first[-1] == second[0] and first[0] != second[-1]
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), st.integers(1, 2**44), st.sampled_from(SwapMode))
def test_no_unit_appears_or_vanishes(path: tuple[str, ...], amount: int, mode: SwapMode) -> None:
    books = some_books()
    landed = execute(a_transaction(amount, mode, path), books, NOW_S)
    assert set(token_moves(books).values()) <= {0}
    if landed.error is None:
        assert books.wallet_moves["me", path[0]] == -landed.input_units < 0
        assert books.wallet_moves["me", path[-1]] == landed.output_units > 0
        assert amount == (landed.input_units if mode is SwapMode.EXACT_IN else landed.output_units)
    else:
        assert books == some_books()


def test_paths_over_the_same_pool_see_each_other() -> None:
    path = ("SOL", "raydium-cpmm-SOL-USDC-25", "USDC")
    landed = execute(a_transaction(10**12, SwapMode.EXACT_IN, path, path), some_books(), NOW_S)
    first, second = landed.legs
    assert second.output_units < first.output_units
    assert landed.output_units == first.output_units + second.output_units


def test_failure_of_a_later_path_undoes_the_earlier() -> None:
    good, bad = ("SOL", "raydium-cpmm-SOL-USDC-25", "USDC"), ("SOL", "no-such-pool", "USDC")
    books = some_books()
    before = deepcopy(books)
    landed = execute(a_transaction(10**9, SwapMode.EXACT_IN, good, bad), books, NOW_S)
    assert landed.error is Code.TRANSACTION_FAILED
    assert books == before


@pytest.mark.parametrize(("off", "error"), [(0, None), (1, Code.SLIPPAGE_EXCEEDED)])
def test_threshold_is_met_exactly_and_missed_by_one_unit(off: int, error: Code | None) -> None:
    path = ("SOL", "raydium-cpmm-SOL-USDC-25", "USDC")
    sold = execute(a_transaction(10**9, SwapMode.EXACT_IN, path), some_books(), NOW_S)
    least = a_transaction(10**9, SwapMode.EXACT_IN, path, threshold=sold.output_units + off)
    assert execute(least, some_books(), NOW_S).error is error
    bought = execute(a_transaction(10**8, SwapMode.EXACT_OUT, path), some_books(), NOW_S)
    most = a_transaction(10**8, SwapMode.EXACT_OUT, path, threshold=bought.input_units - off)
    assert execute(most, some_books(), NOW_S).error is error


@pytest.mark.parametrize(("short_by", "error"), [(0, None), (1, Code.INSUFFICIENT_FUNDS)])
def test_wallet_can_spend_its_last_unit_and_not_one_more(short_by: int, error: Code | None) -> None:
    books = some_books()
    books.balances["me", "SOL"] = 10**9 - short_by
    path = ("SOL", "raydium-cpmm-SOL-USDC-25", "USDC")
    assert execute(a_transaction(10**9, SwapMode.EXACT_IN, path), books, NOW_S).error is error
