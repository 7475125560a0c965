"""Nodes of the wrong cluster are told apart before anything is asked of them."""

from typing import Any

import pytest

from chalicelib.adapters.solana.cluster import (
    GENESIS,
    ClusterNode,
    WrongClusterError,
    check_cluster,
    cluster_shown,
)
from chalicelib.adapters.solana.programs import Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RpcError

MAINNET, DEVNET = GENESIS
OWN = "9ZNTfG4NyQgxy2SWjSiQoUyBPEvXT2xo7fKc5hPYYJ7b"


class Node:
    """A node that knows its genesis, and some calls of a local chain."""

    def __init__(self, genesis: Any, *, own: str = "") -> None:
        self.genesis, self.own = genesis, own
        self.asked: list[str] = []

    def __call__(self, call: RpcCall, *, time_limit_s: float) -> Any:
        assert time_limit_s == 2.0
        self.asked.append(call.method)
        if call.method == "getGenesisHash":
            return self.genesis
        if call.method == self.own:
            return {}
        raise RpcError(-32601, "Method not found", None)


@pytest.mark.parametrize(
    ("node", "cluster"),
    [
        (Node(MAINNET), Cluster.MAINNET),
        (Node(DEVNET), Cluster.DEVNET),
        (Node(OWN), Cluster.LOCAL),
        (Node(MAINNET, own="chain_status"), Cluster.LOCAL),
        (Node(MAINNET, own="surfnet_getSurfnetInfo"), Cluster.LOCAL),
    ],
)
def test_node_of_the_cluster_or_a_local_copy_is_accepted(node: Node, cluster: Cluster) -> None:
    check_cluster("node", node, cluster, time_limit_s=2.0)


@pytest.mark.parametrize(
    ("node", "cluster"),
    [
        (Node(MAINNET), Cluster.LOCAL),
        (Node(MAINNET), Cluster.DEVNET),
        (Node(DEVNET), Cluster.MAINNET),
        (Node(DEVNET), Cluster.LOCAL),
        (Node(OWN), Cluster.MAINNET),
        (Node(None), Cluster.LOCAL),
        (Node(MAINNET, own="chain_status"), Cluster.DEVNET),
    ],
)
def test_node_of_another_cluster_is_refused(node: Node, cluster: Cluster) -> None:
    with pytest.raises(WrongClusterError):
        check_cluster("node", node, cluster, time_limit_s=2.0)


def test_node_that_cannot_say_whether_it_is_a_copy_is_no_copy_yet() -> None:
    class Limited(Node):
        def __call__(self, call: RpcCall, *, time_limit_s: float) -> Any:
            if call.method == "chain_status":
                raise RpcError(-32005, "Node is behind", None)
            return super().__call__(call, time_limit_s=time_limit_s)

    with pytest.raises(NodeError):
        check_cluster("node", Limited(MAINNET, own="surfnet_getSurfnetInfo"), Cluster.LOCAL, time_limit_s=2.0)


def test_node_is_asked_nothing_until_its_cluster_is_known() -> None:
    node = ClusterNode("http://127.0.0.1:1", Cluster.LOCAL)
    with pytest.raises(NodeError, match="no answer to getGenesisHash"):
        node.call(RpcCall("getEpochInfo", ()), time_limit_s=1.0)


@pytest.mark.parametrize(
    ("node", "cluster"),
    [
        (Node(MAINNET), Cluster.MAINNET),
        (Node(DEVNET), Cluster.DEVNET),
        (Node(OWN), Cluster.LOCAL),
        (Node(MAINNET, own="chain_status"), Cluster.LOCAL),
    ],
)
def test_cluster_is_told_by_its_genesis_and_a_copy_is_a_chain_of_ones_own(
    node: Node, cluster: Cluster
) -> None:
    assert cluster_shown(node, time_limit_s=2.0) is cluster


def test_genesis_that_is_none_tells_no_cluster() -> None:
    with pytest.raises(NodeError):
        cluster_shown(Node(None), time_limit_s=2.0)
