"""When the chain is asked again about what it has not decided."""

from typing import cast

import pytest

from chalicelib.adapters.market.definition import load_tokens
from chalicelib.services.pace import Pace
from chalicelib.services.ports import Chain
from chalicelib.services.settlement import Patience, Settlement
from chalicelib.wire.route_views import RouteViews
from tests.fakes.outside import FrozenClock


@pytest.fixture
def pace() -> Pace:
    return Pace(FrozenClock())


@pytest.fixture
def settlement(pace: Pace) -> Settlement:
    nobody_asks = cast("Chain", None)
    patience = Patience(wait_s=2.0, poll_s=0.05, again_s=1.0)
    return Settlement(
        nobody_asks, RouteViews(load_tokens()), FrozenClock(), patience=patience, pace=pace, attempts_max=3
    )


def test_order_that_was_waited_for_is_looked_at_soon_and_then_ever_later(settlement: Settlement) -> None:
    assert settlement.wait_s() == 2.0
    pauses = [settlement.pause_s(delivery, waited_s=2.0) for delivery in range(1, 9)]
    assert pauses == [1, 1, 1, 2, 4, 8, 8, 8]


def test_order_of_a_slow_chain_is_left_alone_for_as_long_as_it_was_not_waited_for(
    settlement: Settlement, pace: Pace
) -> None:
    pace.waited(decided=0, undecided=10)
    assert settlement.wait_s() == 0.0
    assert [settlement.pause_s(delivery, waited_s=0.0) for delivery in range(1, 5)] == [3, 1, 1, 2]
