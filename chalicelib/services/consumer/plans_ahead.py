"""Plans made while the orders they are for are still being claimed: a commit that is waited for anyway.

They change nothing outside, and count only if exactly those orders were claimed, in that order, since each
plan leaves the pools as the next one finds them; else all of them are made anew.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.tokens import Tokens
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.planning.planner import PlannedSwap, Planner
from chalicelib.services.planning.venues import QuoteRequest

PLANS_WITHIN_S: Final = 0.025
"""So long answers are waited for before a batch is claimed without plans: venues that are near, or a node in
the same region, answer sooner.
"""


@dataclass(frozen=True, slots=True)
class PlansAhead:
    """What was planned on the venues' answers for some orders.

    Attributes:
        plans: One for each of ``orders``; none if a venue did not answer, or an order could not be planned.
    """

    orders: Sequence[Order]
    plans: Sequence[PlannedSwap]

    def for_claimed(self, claimed: Sequence[ClaimedOrder]) -> Sequence[PlannedSwap] | None:
        """Return the plans of these orders, or None if they were not made for just these."""
        if len(claimed) != len(self.plans):
            return None
        is_for_them = all(each.state.order is order for each, order in zip(claimed, self.orders, strict=True))
        return self.plans if is_for_them else None


class Ahead(Protocol):
    """Plans that are made meanwhile; a future is one."""

    def done(self) -> bool: ...

    def result(self) -> PlansAhead: ...


class _Made(NamedTuple):
    """Plans that are there: a future takes locks, and wakes those that wait."""

    plans: PlansAhead

    def done(self) -> bool:
        return True

    def result(self) -> PlansAhead:
        return self.plans


def planned_ahead(
    incoming: Sequence[Incoming], quote_request: QuoteRequest, tokens: Tokens, executor: Executor
) -> Ahead | None:
    """Plan what a batch asks for, in the order in which it will be claimed.

    If the venues have answered soon, it is planned at once and by this thread, which has nothing else to do:
    another one would have to be woken, and to wake this one. Else it is begun, and the claim goes on.

    Returns None if that would probably be in vain: if an order may have been claimed before, waits for
    something, or has a limit that it may have to rest at.
    """
    orders = [each.order for each in incoming if each.order is not None]
    is_plain = all(not each.is_repeated for each in incoming) and all(
        order.terms.limit is None and not order.terms.waits for order in orders
    )
    if not is_plain or len({order.order_id for order in orders}) < len(orders):
        return None
    if not quote_request.has_ended(within_s=PLANS_WITHIN_S):
        return executor.submit(_plans, orders, quote_request, tokens)
    return _Made(_plans(orders, quote_request, tokens))


def _plans(orders: Sequence[Order], quote_request: QuoteRequest, tokens: Tokens) -> PlansAhead:
    # Who has not answered by now may have when the claim is done.
    if not quote_request.is_answered():
        return PlansAhead(orders, [])
    try:
        planner = Planner(quote_request.answers(), tokens)
        plans = [planner.plan(order.terms.swap, order.terms.bound) for order in orders]
    except Exception:  # noqa: BLE001  # whose fault it is, and whether one, shows when it is planned again
        plans = []
    return PlansAhead(orders, plans)
