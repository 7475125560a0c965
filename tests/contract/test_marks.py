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
def observe(request: pytest.FixtureRequest) -> Observe:
    """Look at a pair's mark in a block, and return those of the blocks that are kept."""
    watches: Watches = (
        MemoryWatches(SteppingClock().now)
        if request.param == "memory"
        else PostgresWatches(request.getfixturevalue("contract_engine"))
    )
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
