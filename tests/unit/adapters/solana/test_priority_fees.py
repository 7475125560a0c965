"""What is bid where nodes do not tell what others do."""

from bisect import bisect_left
from contextlib import suppress
from typing import Any

from chalicelib.adapters.solana.priority_fees import PriorityFees, PriorityPolicy
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import SilentNodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.domain.errors import RefusedError
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.fake_node import FakeNode
from tests.unit.adapters.solana.test_chain import a_chain, a_node, an_order


class Nodes(RpcNodes):
    """Tell of a fee, or take all the time that they are given."""

    def __init__(self) -> None:
        super().__init__([FakeNode()])
        self.at_s, self.are_silent = 100.0, False

    def ask(self, call: RpcCall, *, time_limit_s: float) -> Any:
        assert call.method == "getRecentPrioritizationFees"
        if self.are_silent:
            self.at_s += time_limit_s
            raise SilentNodeError("no answer")
        return [{"slot": 1, "prioritizationFee": 7}]


def test_nodes_that_do_not_tell_of_fees_are_not_asked_for_each_order_of_a_batch() -> None:
    nodes = Nodes()
    policy = PriorityPolicy(price_max=50)
    fees = PriorityFees(nodes, policy, time_limit_s=2, monotonic_s=lambda: nodes.at_s)
    pools = [[a_key(number)] for number in range(10)]
    assert fees.budget(pools[0]).price == 7
    nodes.are_silent = True
    nodes.at_s += 5
    began_s = nodes.at_s
    assert [fees.budget(each).price for each in pools] == [7, *[0] * 9]
    assert nodes.at_s - began_s == 2
    nodes.are_silent = False
    nodes.at_s += 5
    assert fees.budget(pools[1]).price == 7


def test_wallet_has_to_hold_the_most_that_its_transaction_bids() -> None:
    def is_signed(lamports: int, price: int) -> bool:
        node = a_node(lamports=lamports)
        node.fees = [price]
        policy = PriorityPolicy(price_max=50, fee_lamports_max=7_000)
        with suppress(RefusedError):
            return bool(a_chain(node, policy=policy).sign([an_order()]))
        return False

    without, bidding = (
        bisect_left(range(10_000_000), True, key=lambda held: is_signed(held, price)) for price in (0, 9)
    )
    assert 0 < without == bidding - 7_000
