from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.solana.book import Book, BookPool
from chalicelib.adapters.solana.fixed_amounts import AmountFixer, FixedPlan
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm import pools
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import ConcentratedCurve
from chalicelib.amm.damm_v2_fee import DammCollectFeeMode, DammV2Fees
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.pools import TransferFeePool
from chalicelib.amm.q64 import ONE as ONE_IN_Q64
from chalicelib.amm.swaps import U64_MAX, Exact, Swap
from chalicelib.amm.transfer_fee import TransferFee
from chalicelib.domain.errors import RefusedError, RetryableError
from tests.unit.adapters.solana.books import AMOUNT, CLOCK, a_book, a_book_pool, a_mint, an_instruction

A, B, C = a_mint(1), a_mint(2), a_mint(3)
ONE = a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B))
OTHER = a_book_pool(SwapProgram.DAMM_V2, "other", ("A", "B"), (A, B))
NEXT = a_book_pool(SwapProgram.DAMM_V2, "next", ("B", "C"), (B, C))
BOOK = a_book(ONE, OTHER, NEXT)


def quoted(book: Book, pool_id: str, mode: Exact, amount: int, token_in: int = 0) -> tuple[int, int]:
    clock = book.clock
    request = Swap(mode, amount, token_in, clock.unix_timestamp, clock.slot)  # type: ignore[arg-type]
    result, _ = pools.swap(book.pools[pool_id].state, request)
    return result.amount_in, result.amount_out


def whole_threshold(plan: FixedPlan, output: str) -> int:
    return sum(swap.threshold for swap in plan.swaps if swap.tokens[1] == output)


def test_split_keeps_the_planned_amounts_and_shares_the_threshold_without_loss() -> None:
    out = sum(quoted(BOOK, pool_id, Exact.IN, AMOUNT)[1] for pool_id in ("one", "other"))
    threshold = out * 99 // 100
    asked = an_instruction((("A", "B"), [[("one", AMOUNT), ("other", AMOUNT)]]), threshold=threshold)
    plan = AmountFixer(BOOK).fix(asked)
    assert [(swap.mode, swap.amount) for swap in plan.swaps] == [(Exact.IN, AMOUNT)] * 2
    assert 0 <= whole_threshold(plan, "B") - threshold < 2
    assert all(swap.threshold <= swap.quoted.amount_out for swap in plan.swaps)
    assert plan.most_in == 2 * AMOUNT
    assert plan.left_between == frozenset()


def test_split_exact_out_allows_no_more_input_in_all_than_the_order_does() -> None:
    paid = sum(quoted(BOOK, pool_id, Exact.OUT, AMOUNT)[0] for pool_id in ("one", "other"))
    threshold = paid * 101 // 100
    asked = an_instruction(
        (("A", "B"), [[("one", AMOUNT), ("other", AMOUNT)]]), mode=Exact.OUT, threshold=threshold
    )
    plan = AmountFixer(BOOK).fix(asked)
    assert 0 <= threshold - plan.most_in < 2
    assert plan.most_in == sum(swap.threshold for swap in plan.swaps)
    assert all(swap.quoted.amount_in <= swap.threshold for swap in plan.swaps)
    tight = [AmountFixer(BOOK).fix(replace(asked, threshold_units=most)) for most in (paid, paid - 1)]
    assert [plan.is_within_threshold for plan in tight] == [True, False]


def two_hops(threshold: int, mode: Exact = Exact.IN) -> FixedPlan:
    between = quoted(BOOK, "one", Exact.IN, AMOUNT)[1]
    if mode is Exact.OUT:
        between = quoted(BOOK, "next", Exact.OUT, AMOUNT)[0]
    legs = [[("one", AMOUNT if mode is Exact.IN else between)], [("next", between)]]
    if mode is Exact.OUT:
        legs[1] = [("next", AMOUNT)]
    return AmountFixer(BOOK).fix(an_instruction((("A", "B", "C"), legs), mode=mode, threshold=threshold))


def test_what_lies_between_two_hops_is_given_on_to_the_unit() -> None:
    first, second = (plan := two_hops(1)).swaps
    assert (first.mode, second.mode) == (Exact.OUT, Exact.IN)
    assert first.amount == second.amount
    assert first.threshold == AMOUNT == plan.most_in
    assert first.quoted.amount_in < AMOUNT
    assert first.amount == quoted(BOOK, "one", Exact.IN, AMOUNT)[1] * 9_990 // 10_000
    assert plan.left_between == frozenset()


def test_what_lies_between_is_shared_to_the_unit_among_the_pools_that_go_on_with_it() -> None:
    more = a_book_pool(SwapProgram.CPMM, "more", ("B", "C"), (B, C))
    book = a_book(ONE, OTHER, NEXT, more)
    legs = [[("one", AMOUNT), ("other", AMOUNT)], [("next", 2), ("more", 5)]]
    plan = AmountFixer(book).fix(an_instruction((("A", "B", "C"), legs), threshold=1))
    between = sum(swap.amount for swap in plan.swaps if swap.tokens[1] == "B")
    assert [swap.amount for swap in plan.swaps if swap.tokens[0] == "B"] == [
        between * 2 // 7, between - between * 2 // 7
    ]  # fmt: skip


def test_reserve_between_two_hops_gives_way_to_a_tight_threshold() -> None:
    between = quoted(BOOK, "one", Exact.IN, AMOUNT)[1]
    best = quoted(BOOK, "next", Exact.IN, between)[1]
    first, second = (plan := two_hops(best)).swaps
    assert first.amount == between
    assert first.quoted.amount_in == AMOUNT
    assert second.threshold == best
    assert plan.is_within_threshold
    assert not two_hops(best + 1).is_within_threshold
    for allowed_bps, reserve_bps in ((1, 0), (3, 1), (5, 2), (10, 5), (19, 5), (21, 10), (100, 10)):
        first, second = two_hops(best * (10_000 - allowed_bps) // 10_000).swaps
        assert abs(first.amount - between * (10_000 - reserve_bps) // 10_000) <= 3
        # The second hop may move by as much at least as the first one.
        assert second.quoted.amount_out * (10_000 - reserve_bps) >= second.threshold * 10_000


def test_reserve_of_an_exact_output_takes_no_more_than_half_of_what_the_threshold_allows() -> None:
    book = a_book(ONE, a_book_pool(SwapProgram.CPMM, "deep", ("B", "C"), (B, C)))
    between = quoted(book, "deep", Exact.OUT, 10**9)[0]
    best = quoted(book, "one", Exact.OUT, between)[0]
    legs = [[("one", between)], [("deep", 10**9)]]
    for allowed_bps, reserve_bps in ((3, 1), (5, 2), (9, 2), (11, 5), (21, 10), (100, 10)):
        threshold = best * (10_000 + allowed_bps) // 10_000
        asked = an_instruction((("A", "B", "C"), legs), mode=Exact.OUT, threshold=threshold)
        first, second = AmountFixer(book).fix(asked).swaps
        assert second.threshold == -(-between * (10_000 + reserve_bps) // 10_000)
        assert first.quoted.amount_in * (10_000 + reserve_bps) <= first.threshold * 10_000


def test_exact_out_over_two_hops_buys_a_little_more_between_and_says_that_it_stays() -> None:
    first, second = (plan := two_hops(2**60, Exact.OUT)).swaps
    assert (first.mode, second.mode, second.amount) == (Exact.OUT, Exact.OUT, AMOUNT)
    assert first.amount == second.threshold > second.quoted.amount_in
    assert first.threshold == 2**60
    assert plan.left_between == frozenset({"B"})


def test_order_is_fixed_on_what_the_one_before_it_in_the_batch_leaves() -> None:
    fixer = AmountFixer(BOOK)
    asked = an_instruction((("A", "B"), [[("one", 10**9)]]), threshold=1)
    first, second = fixer.fix(asked), fixer.fix(asked)
    assert second.swaps[0].quoted.amount_out < first.swaps[0].quoted.amount_out


def test_order_that_is_refused_or_thinned_takes_nothing_from_the_next_one_of_its_batch() -> None:
    path = (("A", "B"), [[("one", 10**9), ("other", AMOUNT)]])  # enough to move the price
    asked = an_instruction(path, threshold=1)
    alone = AmountFixer(BOOK).fix(asked)
    fixer = AmountFixer(BOOK)
    with pytest.raises(RefusedError, match="too many legs"):
        fixer.fitting(asked, lambda _: False)
    best = sum(swap.quoted.amount_out for swap in alone.swaps)
    with pytest.raises(RefusedError, match="threshold"):
        fixer.fitting(an_instruction(path, threshold=2 * best), lambda plan: len(plan.swaps) < 2)
    assert fixer.fitting(asked, lambda _: True) == alone
    thinned, whole = AmountFixer(BOOK), AmountFixer(BOOK)
    (swap,) = thinned.fitting(asked, lambda plan: len(plan.swaps) < 2).swaps
    whole.fix(an_instruction((("A", "B"), [[("one", swap.amount)]]), threshold=1))
    assert thinned.fix(asked) == whole.fix(asked)


def with_state(pool: BookPool, **changed: Any) -> BookPool:
    state: Any = pool.state
    return pool._replace(state=replace(state, **changed))


def whose_orders_rest(*, is_wrapped: bool) -> BookPool:
    """A DLMM pool that cannot be asked for an exact output: limit orders rest in its active bin."""
    pool: Any = a_book_pool(SwapProgram.DLMM, "first", ("A", "B"), (A, B))
    resting = with_state(pool, orders=(BinOrders(pool.state.active_id, 0, 5, is_ask=False),))
    fees = TransferFee(0), TransferFee(0)
    return resting._replace(state=TransferFeePool(resting.state, fees)) if is_wrapped else resting  # type: ignore[arg-type]  # one program's


def whose_fee_grows_with_the_amount() -> BookPool:
    """A pool that asks for a unit or two more than was given where it is asked for what that pays: both ways
    round against the trader.
    """
    fees = DammV2Fees(RateLimiterFee(10_000_000, 10, 3_600, 5_000, 10**6), DammCollectFeeMode.ONLY_B)
    curve = ConcentratedCurve(ONE_IN_Q64, 10**12 * ONE_IN_Q64, ONE_IN_Q64 // 4, ONE_IN_Q64 * 4)
    state = DammV2Pool(curve, fees, activation_point=CLOCK.unix_timestamp - 5)
    return a_book_pool(SwapProgram.DAMM_V2, "first", ("B", "A"), (B, A))._replace(state=state)


FIRST_HOPS = {
    "exact": a_book_pool(SwapProgram.DLMM, "first", ("A", "B"), (A, B)),
    "orders rest": whose_orders_rest(is_wrapped=False),
    "orders rest behind a fee": whose_orders_rest(is_wrapped=True),
    "fee grows": whose_fee_grows_with_the_amount(),
}


@pytest.mark.parametrize("kind", FIRST_HOPS)
def test_second_hop_gives_what_the_first_is_bound_to_pay_for_no_more_than_was_planned(kind: str) -> None:
    book, ends, short = a_book(pool := FIRST_HOPS[kind], NEXT), set(), set()
    token_in = pool.tokens.index("A")
    for planned in [1_500, *range(2_000, 2_000_000, 99_991), *range(10**8, 10**9, 10**8)]:
        paid = quoted(book, "first", Exact.IN, planned, token_in)[1]
        best = quoted(book, "next", Exact.IN, paid)[1]
        for threshold, reserve_bps in ((1, 10), (best, 0)):
            path = (("A", "B", "C"), [[("first", planned)], [("next", 1)]])
            first, second = (plan := AmountFixer(book).fix(an_instruction(path, threshold=threshold))).swaps
            bound, most = first.amount, first.threshold
            if first.mode is Exact.IN:
                bound, most = first.threshold, first.amount
            assert second.amount == bound <= first.quoted.amount_out
            assert first.quoted.amount_in <= most == planned == plan.most_in
            assert plan.left_between == (frozenset() if first.mode is Exact.OUT else {"B"})
            reserved = paid * (10_000 - reserve_bps) // 10_000
            # A few units below the reserve where the pool asks for a few more.
            assert 0 <= reserved - bound <= 3 * max(1, reserved // 10**6)
            ends.add(first.mode)
            short.add(bound < reserved)
    assert ends == {Exact.IN if kind.startswith("orders rest") else Exact.OUT}
    assert short == ({False, True} if kind == "fee grows" else {False})


def test_last_units_between_two_hops_are_given_on_without_a_reserve() -> None:
    cheap = with_state(ONE, reserve_0=10**13, reserve_1=10**12)
    path = (("A", "B", "C"), [[("one", 12)], [("next", 1)]])
    assert quoted(a_book(cheap), "one", Exact.IN, 12) == (12, 1)
    first, _ = AmountFixer(a_book(cheap, NEXT)).fix(an_instruction(path, threshold=1)).swaps
    assert first.amount == 1


def test_leg_that_gets_nothing_of_what_lies_between_is_left_out() -> None:
    more = a_book_pool(SwapProgram.CPMM, "more", ("B", "C"), (B, C))
    legs = [[("one", AMOUNT)], [("next", 1), ("more", 10**12)]]
    asked = an_instruction((("A", "B", "C"), legs), threshold=1)
    first, second = AmountFixer(a_book(ONE, NEXT, more)).fix(asked).swaps
    assert (second.pool.pool_id, second.amount) == ("more", first.amount)
    legs = [[("other", 1), ("one", 10**12)], [("next", AMOUNT)]]
    asked = an_instruction((("A", "B", "C"), legs), mode=Exact.OUT, threshold=2**60)
    first, second = AmountFixer(BOOK).fix(asked).swaps
    assert (first.pool.pool_id, first.amount) == ("one", second.threshold)


def test_pool_that_has_what_the_plan_takes_and_no_reserve_besides_fills_its_part() -> None:
    between = quoted(BOOK, "next", Exact.OUT, AMOUNT)[0]
    scarce = with_state(ONE, reserve_1=between + 1)
    path = (("A", "B", "C"), [[("one", between)], [("next", AMOUNT)]])
    asked = an_instruction(path, mode=Exact.OUT, threshold=2**63)
    first, second = AmountFixer(a_book(scarce, NEXT)).fix(asked).swaps
    assert first.amount == second.threshold == between


def test_path_of_two_hops_beside_a_direct_one_keeps_its_reserve() -> None:
    direct = a_book_pool(SwapProgram.CPMM, "direct", ("A", "C"), (A, C))
    paths = [
        (("A", "B", "C"), [[("one", AMOUNT)], [("next", 1)]]),
        (("A", "C"), [[("direct", AMOUNT)]]),
    ]
    for asked in (paths, paths[::-1]):
        plan = AmountFixer(a_book(ONE, NEXT, direct)).fix(an_instruction(*asked, threshold=1))
        (first,) = [swap for swap in plan.swaps if swap.tokens == ("A", "B")]
        assert first.amount == quoted(BOOK, "one", Exact.IN, AMOUNT)[1] * 9_990 // 10_000


def test_least_and_most_that_a_program_can_be_told_bound_every_part_of_a_threshold() -> None:
    path = (("A", "B"), [[("one", AMOUNT), ("other", AMOUNT)]])
    least = AmountFixer(BOOK).fix(an_instruction(path, threshold=1)).swaps
    assert [swap.threshold for swap in least] == [1, 1]
    most = AmountFixer(BOOK).fix(an_instruction(path, mode=Exact.OUT, threshold=2**70)).swaps
    assert [swap.threshold for swap in most] == [U64_MAX, U64_MAX]


@pytest.mark.parametrize("amount", [0, 2**64, 2**70])
def test_first_hop_of_nothing_or_of_more_than_a_program_can_be_asked_for_is_refused(amount: int) -> None:
    asked = an_instruction((("A", "B", "C"), [[("one", amount)], [("next", 1)]]), threshold=1)
    with pytest.raises(RefusedError, match="cannot be built"):
        AmountFixer(BOOK).fix(asked)


@pytest.mark.parametrize("amount", [2**64, 2**70])
def test_leg_beyond_what_a_program_can_be_asked_for_is_refused(amount: int) -> None:
    asked = an_instruction((("A", "B"), [[("one", amount)]]), threshold=1)
    with pytest.raises(RefusedError, match="cannot be built"):
        AmountFixer(BOOK).fix(asked)


def test_input_too_small_to_be_shared_among_all_legs_is_a_reason_to_plan_again() -> None:
    asked = an_instruction((("A", "B"), [[("one", AMOUNT), ("other", 10)]]), mode=Exact.OUT, threshold=3)
    with pytest.raises(RetryableError, match="leaves nothing for a leg"):
        AmountFixer(BOOK).fix(asked)


@pytest.mark.parametrize("error", [RetryableError])
def test_pool_that_is_refused_by_now_is_named_with_why(error: type[Exception]) -> None:
    book = BOOK._replace(pools={}, refused={"one": "swap_disabled: status 4"})
    with pytest.raises(error, match="pool one cannot be traded with: swap_disabled"):
        AmountFixer(book).fix(an_instruction((("A", "B"), [[("one", 5)]]), threshold=1))


def test_pool_that_cannot_fill_its_part_any_more_is_a_reason_to_plan_again() -> None:
    asked = an_instruction((("A", "B"), [[("one", 2**63)]]), mode=Exact.OUT, threshold=2**63)
    with pytest.raises(RetryableError, match="has moved"):
        AmountFixer(BOOK).fix(asked)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ((("A", "B"), [[("one", 5), ("one", 5)]]), "twice"),
        ((("A", "C"), [[("one", 5)]]), "does not trade A"),
        ((("A", "B", "C", "A"), [[("one", 5)], [("next", 5)], [("next", 5)]]), "3 hops"),
    ],
)
def test_plan_that_no_transaction_of_ours_can_carry_is_refused(path: object, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        AmountFixer(BOOK).fix(an_instruction(path, threshold=1))  # type: ignore[arg-type]


def test_plan_too_long_for_a_transaction_loses_its_least_legs_within_the_threshold() -> None:
    path = (("A", "B"), [[("one", AMOUNT), ("other", AMOUNT // 10)]])
    plan = AmountFixer(BOOK).fitting(an_instruction(path, threshold=1), lambda plan: len(plan.swaps) < 2)
    assert [(swap.pool.pool_id, swap.amount) for swap in plan.swaps] == [("one", AMOUNT + AMOUNT // 10)]
    best = sum(
        swap.quoted.amount_out for swap in AmountFixer(BOOK).fix(an_instruction(path, threshold=1)).swaps
    )
    with pytest.raises(RefusedError, match="threshold"):
        AmountFixer(BOOK).fitting(an_instruction(path, threshold=2 * best), lambda plan: len(plan.swaps) < 2)
    with pytest.raises(RefusedError, match="too many legs"):
        AmountFixer(BOOK).fitting(an_instruction(path, threshold=1), lambda _: False)
