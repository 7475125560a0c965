"""A swap that was planned is told for the very state and the very request, once, and for nothing else."""

from dataclasses import replace

from chalicelib.adapters.simulated_market.foreseen import KEPT_MAX, ForeseenSwaps
from chalicelib.adapters.simulated_market.swap_execution import execute
from chalicelib.amm.pools import Pool, swap
from chalicelib.amm.swaps import Exact, Swap
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.plan import AskedSwap, ForeseenSwap
from tests.unit.adapters.simulated_market.test_swap_execution import (
    NOW_S,
    POOLS,
    a_transaction,
    some_books,
)
from tests.unit.routing.markets import a_cpmm

STATE = a_cpmm(10**12, 10**12)
ASKED: AskedSwap = (Exact.IN, 10**6, 0, NOW_S, 0)


def a_foreseen() -> ForeseenSwap:
    return ForeseenSwap(STATE, ASKED, *swap(STATE, Swap(*ASKED)), "1.00")


def test_swap_is_told_once() -> None:
    foreseen = ForeseenSwaps()
    foreseen.note([a_foreseen()])
    assert foreseen.take(STATE, ASKED) == a_foreseen()
    assert foreseen.take(STATE, ASKED) is None


def test_another_second_another_amount_or_an_equal_state_is_not_what_was_planned() -> None:
    cases: list[tuple[Pool, AskedSwap]] = [
        (STATE, (Exact.IN, 10**6, 0, NOW_S + 1, 0)),
        (STATE, (Exact.IN, 10**6 + 1, 0, NOW_S, 0)),
        (STATE, (Exact.OUT, 10**6, 0, NOW_S, 0)),
        (STATE, (Exact.IN, 10**6, 1, NOW_S, 0)),
        (replace(STATE), ASKED),
    ]
    for state, asked in cases:
        foreseen = ForeseenSwaps()
        foreseen.note([a_foreseen()])
        assert foreseen.take(state, asked) is None


def test_what_is_never_carried_out_is_forgotten() -> None:
    foreseen = ForeseenSwaps()
    foreseen.note([a_foreseen()])
    states = [a_cpmm(10**12, 10**12 + number) for number in range(KEPT_MAX)]
    for state in states:
        foreseen.note([a_foreseen()._replace(before=state)])
    assert foreseen.take(STATE, ASKED) is None
    assert foreseen.take(states[-1], ASKED) is not None


def test_foreseen_transaction_moves_the_books_as_a_computed_one_does() -> None:
    tokens, pool_id = ("SOL", "USDC"), "raydium-cpmm-SOL-USDC-25"
    transaction = a_transaction(10**9, SwapMode.EXACT_IN, (tokens[0], pool_id, tokens[1]))
    computed, foreseen = some_books(), some_books()
    landed = execute(transaction, computed, NOW_S)
    before = POOLS[pool_id].state
    asked: AskedSwap = (Exact.IN, 10**9, 0, NOW_S, 0)
    result, after = swap(before, Swap(*asked))
    foreseen.foreseen.note([ForeseenSwap(before, asked, result, after, landed.legs[0].impact_bps)])
    assert execute(transaction, foreseen, NOW_S) == landed
    assert foreseen == computed
    assert foreseen.states[pool_id] is after
