"""What the network asks for a place in a block: a percentile of what landed lately, within a cap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.rpc_answers import prioritization_fees
from chalicelib.adapters.solana.rpc_calls import FEE_ACCOUNTS_MAX, get_recent_prioritization_fees
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.adapters.solana.swap_message import Budget

_HOLDS_S: Final = 5.0
_PER_CENT: Final = 100


@dataclass(frozen=True, slots=True)
class PriorityPolicy:
    """How much to bid.

    Attributes:
        percentile: Of what the recent blocks' cheapest transactions with the same accounts paid.
        price_max: Micro-lamports per compute unit; 0 bids nothing, and asks no node.
        fee_lamports_max: Of one transaction.
    """

    percentile: int = 75
    price_max: int = 0
    fee_lamports_max: int = 1_000_000


def price_at(fees: Sequence[int], policy: PriorityPolicy) -> int:
    """Return the price per unit; nothing is known of an empty list, and nothing is bid."""
    if not fees:
        return 0
    place = min(len(fees) - 1, len(fees) * policy.percentile // _PER_CENT)
    return min(sorted(fees)[place], policy.price_max)


class PriorityFees:
    """Asks for recent fees every few seconds."""

    def __init__(
        self,
        nodes: RpcNodes,
        policy: PriorityPolicy,
        *,
        time_limit_s: float,
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        self._nodes, self._policy, self._time_limit_s = nodes, policy, time_limit_s
        self._monotonic_s = monotonic_s
        self._known: dict[tuple[Pubkey, ...], tuple[float, int]] = {}
        self._silent_until_s = 0.0

    def budget(self, pools: Sequence[Pubkey]) -> Budget:
        """Return what to bid for a transaction that writes these pools; without an answer, nothing."""
        return Budget(self._price(tuple(sorted(pools))[:FEE_ACCOUNTS_MAX]), self._policy.fee_lamports_max)

    def _price(self, pools: tuple[Pubkey, ...]) -> int:
        if not self._policy.price_max:
            return 0
        now_s = self._monotonic_s()
        known = self._known.get(pools)
        # Each order of a batch asks by itself, and there is no time for as many answers that do not come.
        if now_s < self._silent_until_s or (known is not None and now_s - known[0] < _HOLDS_S):
            return known[1] if known is not None else 0
        try:
            call = get_recent_prioritization_fees(pools)
            fees = prioritization_fees(self._nodes.ask(call, time_limit_s=self._time_limit_s))
        except NodeError:
            self._silent_until_s = self._monotonic_s() + _HOLDS_S
            return known[1] if known is not None else 0
        price = price_at(fees, self._policy)
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[pools] = now_s, price
        return price


_KEPT: Final = 1024
