"""Ratios for display: signs, rounding, and what counts as impact."""

import pytest

from chalicelib.amm.swaps import SwapResult, TokenIndex
from chalicelib.domain.prices import (
    LegImpact,
    bps_text,
    price_impact_bps,
    route_impact_bps,
    slippage_bps_text,
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        (1, 100, "100.00"),
        (1, 3, "3333.33"),
        (0, 5, "0.00"),
        (-1, 200, "-50.00"),
        (5, 10**7, "0.00"),
        (15, 10**7, "0.02"),
        (25, 10**7, "0.02"),
        (35, 10**7, "0.04"),
    ],
)
def test_ratio_in_basis_points_has_two_decimals_half_to_even(
    numerator: int, denominator: int, text: str
) -> None:
    assert bps_text(numerator, denominator) == text


def test_worse_than_quoted_is_positive_on_either_side() -> None:
    assert slippage_bps_text(1000, 990, is_output=True) == "100.00"
    assert slippage_bps_text(1000, 1010, is_output=False) == "100.00"
    assert slippage_bps_text(1000, 1010, is_output=True) == "-100.00"


def a_swap(
    amount_in: int,
    amount_out: int,
    *,
    trade_fee: int = 0,
    fee_token: TokenIndex = 0,
    creator_fee: int = 0,
    creator_fee_token: TokenIndex = 0,
) -> SwapResult:
    return SwapResult(
        amount_in,
        amount_out,
        trade_fee,
        protocol_fee=0,
        fee_token=fee_token,
        creator_fee=creator_fee,
        creator_fee_token=creator_fee_token,
    )


def test_impact_is_what_the_price_lacks_to_the_spot_fees_aside() -> None:
    assert price_impact_bps((2, 1), 0, a_swap(100, 198)) == "100.00"
    assert price_impact_bps((2, 1), 0, a_swap(110, 198, trade_fee=10)) == "100.00"
    assert price_impact_bps((2, 1), 0, a_swap(100, 188, trade_fee=10, fee_token=1)) == "100.00"


def test_creators_fee_is_no_impact_whichever_token_it_is_of() -> None:
    assert price_impact_bps((2, 1), 0, a_swap(110, 198, creator_fee=10)) == "100.00"
    assert price_impact_bps((2, 1), 0, a_swap(100, 188, creator_fee=10, creator_fee_token=1)) == "100.00"


def test_what_a_mint_withholds_of_its_transfers_is_no_impact() -> None:
    withheld_in = a_swap(110, 198)._replace(transfer_fee_in=10)
    withheld_out = a_swap(100, 188)._replace(transfer_fee_out=10)
    assert price_impact_bps((2, 1), 0, withheld_in) == "100.00"
    assert price_impact_bps((2, 1), 0, withheld_out) == "100.00"


def test_trade_of_which_nothing_is_left_after_fees_has_no_impact() -> None:
    assert price_impact_bps((2, 1), 0, a_swap(1, 0, trade_fee=1)) == "0.00"


def test_impact_in_the_other_direction_uses_the_inverse_spot_price() -> None:
    assert price_impact_bps((2, 1), 1, a_swap(200, 99, fee_token=1)) == "100.00"


def test_rounding_in_favour_of_a_tiny_trade_is_no_negative_impact() -> None:
    assert price_impact_bps((2, 1), 0, a_swap(100, 201)) == "0.00"


def test_impacts_of_hops_add_up_and_those_of_a_split_are_weighted() -> None:
    assert route_impact_bps([LegImpact("1.25", 7, 7)]) == "1.25"
    assert route_impact_bps([LegImpact("1.25", 7, 7), LegImpact("0.50", 3, 3)]) == "1.75"
    assert route_impact_bps([LegImpact("1.00", 1, 4), LegImpact("2.00", 3, 4)]) == "1.75"


def test_impact_of_a_route_is_rounded_half_to_even_once() -> None:
    assert route_impact_bps([LegImpact("0.01", 1, 2)]) == "0.00"
    assert route_impact_bps([LegImpact("0.03", 1, 2)]) == "0.02"
    assert route_impact_bps([LegImpact("0.01", 1, 3)] * 3) == "0.01"
