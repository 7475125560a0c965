import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.routing.whole import NoRoomError, whole_amounts


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=8), st.integers(0, 100))
def test_parts_keep_the_total_and_move_by_rounding_only(fills: list[float], dust: int) -> None:
    total = int(sum(fills)) + dust
    whole = whole_amounts(fills, [1e18] * len(fills), total, slack=0.0)
    assert sum(whole) == total
    assert all(part >= int(fill) - len(fills) for part, fill in zip(whole, fills, strict=True))


def test_a_part_stays_below_its_capacity_by_the_slack() -> None:
    assert whole_amounts([1000.0, 5.0], [1000.0, 100.0], 1005, slack=0.01) == [990, 15]


def test_dust_goes_to_a_part_in_use_although_an_idle_one_has_more_room() -> None:
    assert whole_amounts([10.5, 0.4], [20.0, 1e9], 11, slack=0.0) == [11, 0]


def test_an_idle_part_is_used_when_the_others_are_full() -> None:
    assert whole_amounts([10.0, 0.0], [10.0, 1e9], 12, slack=0.0) == [10, 2]


def test_a_total_beyond_all_capacities_has_no_room() -> None:
    with pytest.raises(NoRoomError):
        whole_amounts([10.0, 10.0], [10.0, 10.0], 21, slack=0.0)
