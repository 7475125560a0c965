"""Nodes that are asked first which cluster they show.

Keys must never trade where their owner did not mean to.

A cluster is known by its genesis hash. A local chain has one of its own, or, where it is a copy of another,
that one's; a copy can be told from what it was copied from by the calls that only such chains answer.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from chalicelib.adapters.solana.programs import Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError, Remedy, RpcError
from chalicelib.adapters.solana.rpc_nodes import RpcNode
from chalicelib.logs import logger

# solana-labs/explorer and anza-xyz/agave ``sdk/cluster-type``: the hashes that clusters are told apart by.
GENESIS: Final = {
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": Cluster.MAINNET,
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG": Cluster.DEVNET,
}
"""What public clusters are known by; any other hash is a private chain's."""

_OWN_CALLS: Final = ("chain_status", "surfnet_getSurfnetInfo")
"""Answered by ``infra.chain`` and by surfpool, and by no node of a public cluster."""


class Answers(Protocol):
    """Makes one call to one node."""

    def __call__(self, call: RpcCall, *, time_limit_s: float) -> Any: ...


class WrongClusterError(NodeError):
    """A node that shows another chain than the settings name."""


class ClusterNode(RpcNode):
    """A node that answers nothing before it has shown that it is of the right cluster."""

    def __init__(self, url: str, cluster: Cluster) -> None:
        """Take an address.

        Raises:
            ValueError: As ``RpcNode``.
        """
        super().__init__(url)
        self._cluster = cluster
        self._is_checked = False

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        """Make one call and return its result, as JSON.

        Raises:
            WrongClusterError: It shows another cluster.
            NodeError: As ``RpcNode.call``.
        """
        self._check(time_limit_s)
        return super().call(call, time_limit_s=time_limit_s)

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        """Make several calls, as ``RpcNode.call_all``.

        Raises:
            WrongClusterError: It shows another cluster.
            NodeError: As ``RpcNode.call_all``.
        """
        self._check(time_limit_s)
        return super().call_all(calls, time_limit_s=time_limit_s)

    def _check(self, time_limit_s: float) -> None:
        if not self._is_checked:
            check_cluster(self.name, super().call, self._cluster, time_limit_s=time_limit_s)
            self._is_checked = True


def check_cluster(name: str, ask: Answers, cluster: Cluster, *, time_limit_s: float) -> None:
    """Accept a node of a cluster.

    Raises:
        WrongClusterError: It shows another one.
        NodeError: It does not answer.
    """
    genesis = ask(RpcCall("getGenesisHash", ()), time_limit_s=time_limit_s)
    shown = GENESIS.get(genesis, Cluster.LOCAL) if isinstance(genesis, str) else None
    if shown is cluster:
        return
    if cluster is Cluster.LOCAL and shown and _is_copy(ask, time_limit_s):
        return
    logger.error("node of another cluster", node=name, shown=shown, cluster=cluster)
    raise WrongClusterError(f"{name} shows {shown or 'no chain'}, and SOLANA_CLUSTER is {cluster}")


def cluster_shown(ask: Answers, *, time_limit_s: float) -> Cluster:
    """Return the cluster that a node shows; a copy of a public one is a private chain.

    Raises:
        NodeError: It does not answer.
    """
    genesis = ask(RpcCall("getGenesisHash", ()), time_limit_s=time_limit_s)
    if not isinstance(genesis, str):
        raise MalformedResultError("a genesis hash is a text")
    shown = GENESIS.get(genesis, Cluster.LOCAL)
    return Cluster.LOCAL if shown is Cluster.LOCAL or _is_copy(ask, time_limit_s) else shown


def _is_copy(ask: Answers, time_limit_s: float) -> bool:
    for method in _OWN_CALLS:
        try:
            ask(RpcCall(method, ()), time_limit_s=time_limit_s)
        except RpcError as error:
            if error.remedy is Remedy.DEFECT:
                continue
            raise
        return True
    return False
