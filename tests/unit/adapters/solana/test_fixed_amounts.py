import pytest

from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.fixed_amounts import AmountFixer, FixedPlan
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm import pools
from chalicelib.amm.swaps import Exact, Swap
from chalicelib.domain.errors import RefusedError, RetryableError
from tests.unit.adapters.solana.books import AMOUNT, a_book, a_book_pool, a_mint, an_instruction

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
    first, second = two_hops(best).swaps
    assert between - first.amount <= 3
    assert second.threshold == best
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
