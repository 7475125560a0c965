"""Telling again what whoever worked on an order before may have died before telling."""

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.orders import OrderState
from chalicelib.services.ports import OrderQueries
from chalicelib.services.telling import NOTHING_OWED, Teller

_EVENTS_MAX = 1_000


class Retelling:
    """Goes by what the record knows to have been told: ``OrderState.told_seq``."""

    def __init__(self, queries: OrderQueries, teller: Teller) -> None:
        self._queries = queries
        self._teller = teller

    def retell(self, found: OrderState, owed: Acknowledgement | None = None) -> None:
        """Tell the events of an order, as it was found, that nobody is known to have told.

        ``owed``: the acknowledgement that goes with the first of them.

        Raises:
            RetryableError: As ``Teller.tell``, or the record is unreachable.
        """
        if found.told_seq == found.seq:
            return
        order = found.order
        events = self._queries.events_after(order.order_id, found.told_seq, limit=_EVENTS_MAX)
        untold = [event for event in events if event.seq <= found.seq]
        goes_first = {order.order_id: owed} if owed is not None and found.told_seq == 0 else NOTHING_OWED
        self._teller.tell([(order, untold)], goes_first)
