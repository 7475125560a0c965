"""What is bid where nodes do not tell what others do."""

from typing import Any

from chalicelib.adapters.solana.priority_fees import PriorityFees, PriorityPolicy
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import SilentNodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.fake_node import FakeNode


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
