"""What the router is asked for is possible, or it is no order."""

from typing import Any

import pytest

from chalicelib.amm.swaps import U64_MAX
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.swap_order import SwapOrder


def an_order(**changed: Any) -> SwapOrder:
    fields: dict[str, Any] = {"input_token": "A", "output_token": "B", "amount": 1, "leg_cost": 0} | changed
    return SwapOrder(SwapMode.EXACT_IN, **fields)


@pytest.mark.parametrize("amount", [1, U64_MAX])
def test_amount_that_a_program_can_read_is_accepted(amount: int) -> None:
    assert an_order(amount=amount).amount == amount


@pytest.mark.parametrize(
    "changed",
    [{"amount": 0}, {"amount": -1}, {"amount": U64_MAX + 1}, {"leg_cost": -1}, {"output_token": "A"}],
)
def test_order_that_no_route_could_fill_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive u64"):
        an_order(**changed)
