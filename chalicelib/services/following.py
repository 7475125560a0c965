"""Following an order: its events from some point on, in order and without a gap, then live."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.orders import JsonObject, Order
from chalicelib.logs import logger
from chalicelib.services.accepting import client_order_id_conflict
from chalicelib.services.lookup import found_in_time
from chalicelib.services.ports import Clock, Connections, Delivery, Frame, OrderQueries, Subscriptions
from chalicelib.services.telling import CATCH_UP_DELAY_S
from chalicelib.wire.server_frames import json_text, order_event, subscribed, unsubscribed

_EVENTS_PER_READ: Final = 100
_ESTABLISH_POLL_S: Final = 0.05
_ESTABLISH_PATIENCE_S: Final = 3.0
"""A connection whose ``$connect`` has only just returned answers 410 until its handshake is through."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A connection that wants to see an order's events.

    Attributes:
        is_new: It may not be established yet.
    """

    connection_id: str
    account_id: str
    is_new: bool = False


class FollowOrders:
    """Subscribes connections and catches them up."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        queries: OrderQueries,
        connections: Connections,
        clock: Clock,
        *,
        lookup_wait_ms: int,
    ) -> None:
        self._subscriptions = subscriptions
        self._queries = queries
        self._connections = connections
        self._clock = clock
        self._lookup_wait_s = lookup_wait_ms / 1000

    def subscribe(
        self, follower: Follower, order_id: UUID | None, *, after_seq: int, request_id: str | None
    ) -> None:
        """Answer a subscribe: ``subscribed``, then the events after ``after_seq``, then live ones.

        Without an order id: every order of the account, with what the unfinished ones had so far.

        Raises:
            NotFoundError: The account has no such order.
        """
        answer = subscribed(request_id, order_id)
        if order_id is not None:
            self.follow(follower, order_id, after_seq=after_seq, greeting=answer)
            return
        unfinished = self._subscriptions.follow_account(follower.connection_id, follower.account_id)
        if self._post(follower, [answer]) is not Delivery.DELIVERED:
            return
        for each in unfinished:
            self.follow(follower, each, after_seq=0)

    def unsubscribe(self, follower: Follower, order_id: UUID | None, *, request_id: str | None) -> None:
        """Stop following one order, or everything."""
        self._subscriptions.remove(follower.connection_id, order_id)
        self._post(follower, [unsubscribed(request_id, order_id)])

    def follow(
        self,
        follower: Follower,
        order_id: UUID,
        *,
        after_seq: int,
        greeting: JsonObject | None = None,
        content_sha256: str | None = None,
    ) -> bool:
        """Replay an order's events, then hand over to whoever sends the live ones.

        Waits a little for an order that was accepted and is not on record yet. Returns whether the
        connection took everything.

        Raises:
            NotFoundError: The account has no such order; nobody else's is told apart from none.
            ConflictError: The order says something else than ``content_sha256``.
        """
        replay_id = uuid4()
        sent_to = self._begin(follower, order_id, replay_id, after_seq)
        frames = [greeting] if greeting else []
        order = self._order(follower, order_id)
        if content_sha256 not in {None, order.content_sha256}:
            self._subscriptions.remove(follower.connection_id, order_id)
            raise client_order_id_conflict()
        while True:
            events = self._queries.events_after(order_id, sent_to, limit=_EVENTS_PER_READ)
            frames += [order_event(order.client_order_id, event) for event in events]
            if frames and self._post(follower, frames) is not Delivery.DELIVERED:
                return False
            frames = []
            if events:
                sent_to = events[-1].seq
            elif self._subscriptions.go_live(
                follower.connection_id, order_id, replay_id=replay_id, seq=sent_to
            ):
                return True

    def _begin(self, follower: Follower, order_id: UUID, replay_id: UUID, after_seq: int) -> int:
        def begin() -> int | None:
            return self._subscriptions.begin_replay(
                follower.connection_id,
                follower.account_id,
                order_id,
                replay_id=replay_id,
                after_seq=after_seq,
            )

        return found_in_time(begin, self._clock, wait_s=self._lookup_wait_s)

    def _order(self, follower: Follower, order_id: UUID) -> Order:
        view = self._queries.find(follower.account_id, order_id)
        if view is None:
            raise NotFoundError
        return view.state.order

    def _post(self, follower: Follower, frames: list[JsonObject]) -> Delivery:
        posted = [Frame(follower.connection_id, json_text(frame)) for frame in frames]
        waited = 0.0
        while True:
            delivery = self._connections.post(posted)[follower.connection_id]
            if delivery is Delivery.DELIVERED:
                return delivery
            if delivery is Delivery.UNDELIVERED:
                # Not live and not caught up: the sweep finds it if nobody asks again before.
                logger.warning(
                    "replay interrupted", connection_id=follower.connection_id, again_in_s=CATCH_UP_DELAY_S
                )
                return delivery
            if not follower.is_new or waited >= _ESTABLISH_PATIENCE_S:
                self._subscriptions.forget([follower.connection_id])
                return delivery
            self._clock.sleep(_ESTABLISH_POLL_S)
            waited += _ESTABLISH_POLL_S
