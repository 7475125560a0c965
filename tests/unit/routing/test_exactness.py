"""The domain's word for what is exact, in the pools' maths."""

from chalicelib.amm.swaps import Exact
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.exactness import EXACT


def test_every_mode_has_a_word_of_its_own_in_the_maths() -> None:
    assert EXACT == {SwapMode.EXACT_IN: Exact.IN, SwapMode.EXACT_OUT: Exact.OUT}
    assert EXACT.keys() == set(SwapMode)
    assert set(EXACT.values()) == set(Exact)
