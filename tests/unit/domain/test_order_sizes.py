"""Classes of sizes: each size is in one, whose largest is no more than a sixteenth beyond its least."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.order_sizes import BY_SIZE, BY_SIZE_MAX, size_class, size_look
from chalicelib.domain.swap_mode import SwapMode

UNITS = st.one_of(st.integers(1, 4_000), st.integers(1, 2**64), st.integers(1, 2**128))


@given(UNITS, st.sampled_from(SwapMode))
def test_size_is_in_its_class_with_the_sizes_next_to_it(units: int, mode: SwapMode) -> None:
    look = size_look(mode, units)
    found = size_class(look)
    assert BY_SIZE <= look <= BY_SIZE_MAX
    assert found.mode is mode
    assert found.least_units <= units <= found.most_units
    assert (found.most_units - found.least_units) * 16 <= found.most_units
    assert {size_look(mode, found.least_units), size_look(mode, found.most_units)} == {look}


@given(UNITS, UNITS)
def test_larger_size_is_in_no_lower_class_and_never_in_one_of_the_other_mode(one: int, other: int) -> None:
    low, high = sorted([one, other])
    assert size_look(SwapMode.EXACT_IN, low) <= size_look(SwapMode.EXACT_IN, high)
    assert size_look(SwapMode.EXACT_IN, low) != size_look(SwapMode.EXACT_OUT, high)
