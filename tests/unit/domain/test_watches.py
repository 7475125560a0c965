"""Marks that held: for how many blocks, as far as that was seen."""

from decimal import Decimal

from chalicelib.domain.watches import Held, MarkRange, held


def looked_at(*rows: tuple[int, int, int]) -> list[MarkRange]:
    return [MarkRange(height, Decimal(low), Decimal(high)) for height, low, high in rows]


def test_single_look_holds_for_one_block() -> None:
    assert held(looked_at((100, 4, 6)), Decimal(5), gap_max=1) == {1: Held(Decimal(5), Decimal(5), 100)}


def test_blocks_in_a_row_hold_between_their_extremes() -> None:
    found = held(looked_at((98, 7, 7), (99, 3, 4), (100, 5, 6)), Decimal(6), gap_max=1)
    assert found == {
        1: Held(Decimal(6), Decimal(6), 100),
        2: Held(Decimal(3), Decimal(6), 99),
        3: Held(Decimal(3), Decimal(7), 98),
    }


def test_what_returned_within_the_present_block_did_not_hold_for_it() -> None:
    found = held(looked_at((99, 5, 5), (100, 2, 5)), Decimal(5), gap_max=1)
    assert found[2].low == 2


def test_gap_ends_the_past() -> None:
    rows = looked_at((96, 5, 5), (97, 5, 5), (100, 5, 5))
    assert held(rows, Decimal(5), gap_max=2).keys() == {1}
    assert held(rows, Decimal(5), gap_max=3).keys() == {1, 2, 3, 4, 5}


def test_block_between_two_looks_counts_only_if_the_look_before_it_agrees() -> None:
    found = held(looked_at((96, 1, 1), (98, 5, 5), (100, 5, 5)), Decimal(5), gap_max=2)
    assert found[2] == Held(Decimal(5), Decimal(5), 99)
    assert found[3] == Held(Decimal(5), Decimal(5), 98)
    assert found[4].low == 1


def test_no_more_blocks_are_counted_than_any_trigger_wants() -> None:
    rows = looked_at(*((height, 5, 5) for height in range(1, 30)))
    assert max(held(rows, Decimal(5), gap_max=1)) == 10
