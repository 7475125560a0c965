"""Prices of bins, to the program's last digit."""

import pytest

from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.swaps import SwapRefusedError


@pytest.mark.parametrize(
    ("bin_id", "bin_step", "price"),
    [
        (0, 25, 1 << 64),
        (1, 10, 18465190817783261167),
        (-1, 10, 18428315757951600016),
        (100, 25, 23678699809202413098),
        (-5000, 1, 11188795550323323883),
        (8388, 4, 528169376364644496384),
    ],
)
def test_bin_price_has_the_programs_last_digits(bin_id: int, bin_step: int, price: int) -> None:  # M0
    assert bin_price(bin_id, bin_step) == price


@pytest.mark.parametrize("bin_id", [1 << 19, -(1 << 19), (1 << 19) - 1])
def test_bin_without_a_price_is_refused(bin_id: int) -> None:
    with pytest.raises(SwapRefusedError):
        bin_price(bin_id, 400)
