"""Trades on the simulated market land whole, once, at the state's own price, and the books balance."""

from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Swap, SwapMode
from chalicelib.services.ports import Fate
from tests.integration.market.conftest import DIRECT, Market, a_swap, status_of


def test_landed_swap_pays_what_the_pool_state_quotes(market: Market) -> None:
    node = market.node()
    quoted, after = swap(market.pools()[DIRECT].state, Swap(SwapMode.EXACT_IN, 10**9, 0))
    (transaction,) = node.sign([a_swap(10**9)])
    node.send([transaction])
    status = status_of(node, transaction)
    assert status.fate is Fate.LANDED
    assert (status.input_units, status.output_units) == (10**9, quoted.amount_out)
    assert status.legs[0].fee_units == quoted.trade_fee
    assert market.pools()[DIRECT].state == after
    assert market.violations() == []
