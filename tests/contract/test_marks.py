"""What every ``Watches`` promises of marks: those of the last blocks are kept, another chain's are not."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import uuid4

import pytest

from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.domain.watches import DirectedPair, MarkRange
from chalicelib.services.resting.ports import Watches
from tests.fakes.ports import SteppingClock
from tests.fakes.watches import MemoryWatches

Observe = Callable[[int, str, int], Sequence[MarkRange]]


@pytest.fixture(params=["memory", "postgres"])
def watches(request: pytest.FixtureRequest) -> Watches:
    if request.param == "memory":
        return MemoryWatches(SteppingClock().now)
    return PostgresWatches(request.getfixturevalue("contract_engine"))


@pytest.fixture
def observe(watches: Watches) -> Observe:
    """Look at a pair's mark in a block, and return those of the blocks that are kept."""
    pair = DirectedPair(f"IN{uuid4()}", "OUT")
    return lambda height, mark, keep: watches.observe(height, {pair: Decimal(mark)}, keep=keep)[pair]


def test_marks_of_the_last_blocks_come_back_with_their_extremes(observe: Observe) -> None:
    def observed(height: int, mark: str) -> list[MarkRange]:
        return list(observe(height, mark, 3))

    def row(height: int, low: str, high: str) -> MarkRange:
        return MarkRange(height, Decimal(low), Decimal(high))

    assert observed(100, "1.5") == [row(100, "1.5", "1.5")]
    assert observed(100, "1.25") == [row(100, "1.25", "1.5")]
    assert observed(100, "1.3") == [row(100, "1.25", "1.5")]
    assert observed(101, "2") == [row(100, "1.25", "1.5"), row(101, "2", "2")]
    assert observed(103, "1E-30") == [row(101, "2", "2"), row(103, "1E-30", "1E-30")]
    assert observed(102, "7") == [row(100, "1.25", "1.5"), row(101, "2", "2"), row(102, "7", "7")]
    assert observed(104, "7") == [row(102, "7", "7"), row(103, "1E-30", "1E-30"), row(104, "7", "7")]


def test_marks_far_from_the_block_that_is_looked_at_are_another_chains_and_forgotten(
    observe: Observe,
) -> None:
    def heights(height: int, keep: int = 3) -> list[int]:
        return [seen.height for seen in observe(height, str(height), keep)]

    assert heights(1_000) == [1_000]
    assert heights(100) == [100]
    assert heights(106) == [106]
    assert heights(1_001, keep=2_000) == [100, 106, 1_001]  # as far as from 100 to 106 is not far
    assert heights(107, keep=3) == [106, 107]
    assert heights(1_002, keep=2_000) == [106, 107, 1_002]


def test_marks_of_pairs_that_are_looked_at_together_or_in_turn_are_each_their_own(watches: Watches) -> None:
    one, other = (DirectedPair(f"IN{uuid4()}", "OUT") for _ in range(2))

    def observed(**marks: int) -> dict[DirectedPair, list[tuple[int, int, int]]]:
        pairs = {"one": one, "other": other}
        seen = watches.observe(9, {pairs[name]: Decimal(mark) for name, mark in marks.items()}, keep=3)
        return {
            pair: [(row.height, int(row.low), int(row.high)) for row in rows] for pair, rows in seen.items()
        }

    assert observed(one=1) == {one: [(9, 1, 1)]}
    assert observed(one=5) == {one: [(9, 1, 5)]}
    assert observed(other=3) == {other: [(9, 3, 3)]}
    assert observed(one=2, other=7) == {one: [(9, 1, 5)], other: [(9, 3, 7)]}
    watches.observe(9_000, {one: Decimal(1)}, keep=3)
    assert observed(other=4) == {other: [(9, 3, 7)]}
