"""Subscribing to an order: its events from some point on, in order and without a gap, then live."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import (
    ArchivedError,
    NotFoundError,
    RetryableError,
    UnansweredError,
    UnknownOutcomeError,
    client_order_id_conflict,
)
from chalicelib.domain.orders import Order
from chalicelib.logs import logger
from chalicelib.services.delivery.publisher import CATCH_UP_DELAY_S
from chalicelib.services.isolation import one_by_one
from chalicelib.services.ports import Clock, Connections, Delivery, Frame, OrderQueries
from chalicelib.services.subscription_ports import Replay, Subscriptions
from chalicelib.services.wait_budget import WaitBudget, found_in_time
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.server_frames import accepted, batch_texts, json_text, subscribed, unsubscribed

_EVENTS_PER_READ: Final = 100
_LOOKS_IN_VAIN_MAX: Final = 3
"""In a row, of a replay that finds no event and may not go live either."""
_ESTABLISH_TIME_LIMIT_S: Final = 3.0
"""A connection whose ``$connect`` has only just returned answers 410 until its handshake is through."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A connection that asks to see an order's events.

    Attributes:
        is_new: It may not be established yet.
    """

    connection_id: str
    account_id: str
    is_new: bool = False


UNSUBSCRIBE_WAIT_S: Final = 0.5
"""How long a subscription in the queue is waited for; who unsubscribes twice waits as long in vain."""


class ReplayOrders:
    """Subscribes connections and catches them up."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        queries: OrderQueries,
        connections: Connections,
        clock: Clock,
        views: EventViews,
        *,
        lookup_wait_ms: int,
    ) -> None:
        self._subscriptions = subscriptions
        self._queries = queries
        self._connections = connections
        self._clock = clock
        self._views = views
        self._lookup_wait_s = lookup_wait_ms / 1000
        self._wait_budget = WaitBudget(clock)
        # Who unsubscribes in vain shall still be waited for when subscribing.
        self._unsubscribe_budget = WaitBudget(clock)

    def subscribe(
        self, subscriber: Subscriber, order_id: UUID | None, *, after_seq: int, request_id: str | None
    ) -> None:
        """Answer a subscribe: ``subscribed``, then the events after ``after_seq``, then live ones.

        Without an order id: every order of the account, with what the unfinished ones had so far.

        Raises:
            NotFoundError: The account has no such order.
            UnknownOutcomeError: It may be subscribed; asking again is safe.
        """
        answer = subscribed(request_id, order_id)
        if order_id is None:
            self._subscribe_to_all(subscriber, answer)
            return
        replay_id = uuid4()
        with _unknown_if(UnansweredError, "subscribed", order_id):
            replay = self._begin(subscriber, order_id, replay_id, after_seq)
        # From here on it is subscribed: the sweep brings what does not arrive now.
        with _unknown_if(RetryableError, "subscribed", order_id):
            self._replay(subscriber, order_id, replay, replay_id=replay_id, greeting=answer)

    def _subscribe_to_all(self, subscriber: Subscriber, answer: JsonObject) -> None:
        with _unknown_if(RetryableError, "subscribed", None):
            found = self._subscriptions.subscribe_account(subscriber.connection_id, subscriber.account_id)
            if found.more_rest:
                answer = answer | {"moreRest": True}
            if self._post(subscriber, [json_text(answer)]) is not Delivery.DELIVERED:
                return
            one_by_one(
                found.order_ids, lambda each: self._replay_of_all(subscriber, each), _log_failed_replay
            )

    def _replay_of_all(self, subscriber: Subscriber, order_id: UUID) -> None:
        """Replay one of the orders that a subscription to all found, unless that has ended meanwhile."""
        replay_id = uuid4()
        replay = self._subscriptions.begin_replay(
            subscriber.connection_id,
            subscriber.account_id,
            order_id,
            replay_id=replay_id,
            after_seq=0,
            is_of_all=True,
        )
        if replay is not None:
            self._replay(subscriber, order_id, replay, replay_id=replay_id)

    def unsubscribe(self, subscriber: Subscriber, order_id: UUID | None, *, request_id: str | None) -> None:
        """Unsubscribe from one order, or from everything.

        Waits a little for a subscription that is in the queue: to an order that was just submitted, or to
        the one that the connection's URL names.

        Raises:
            UnknownOutcomeError: It may have stopped; asking again is safe.
        """

        def remove() -> bool | None:
            return self._subscriptions.remove(subscriber.connection_id, order_id) or None

        wait_s = 0.0 if order_id is None else min(self._lookup_wait_s, UNSUBSCRIBE_WAIT_S)
        with _unknown_if(UnansweredError, "unsubscribed", order_id):
            self._unsubscribe_budget.wait(subscriber.account_id, remove, limit_s=wait_s)
        self._post(subscriber, [json_text(unsubscribed(request_id, order_id))])

    def replay(
        self,
        subscriber: Subscriber,
        order_id: UUID,
        *,
        after_seq: int,
        greeting: JsonObject | None = None,
        deferred_acknowledgement: Acknowledgement | None = None,
        content_sha256: str | None = None,
    ) -> bool:
        """Replay an order's events, then hand over to the sender of the live ones.

        Waits a little for an order that was accepted and is not on record yet. Returns whether
        the connection took everything. ``greeting`` goes ahead by itself, the deferred
        acknowledgement with the first events.

        Raises:
            NotFoundError: The account has no such order; another account's gives the same answer as none.
            ConflictError: The order says something else than ``content_sha256``.
            RetryableError: The record is unreachable, or the acknowledgement was not delivered.
        """
        replay_id = uuid4()
        replay = self._begin(subscriber, order_id, replay_id, after_seq)
        return self._replay(
            subscriber,
            order_id,
            replay,
            replay_id=replay_id,
            greeting=greeting,
            deferred_acknowledgement=deferred_acknowledgement,
            content_sha256=content_sha256,
        )

    def catch_up(
        self,
        subscriber: Subscriber,
        order_id: UUID,
        *,
        after_seq: int,
        deferred_acknowledgement: Acknowledgement | None = None,
    ) -> bool:
        """Replay an order's events to a connection that missed some, unless it has unsubscribed meanwhile:
        then it gets its acknowledgement alone.

        Returns and raises what ``replay`` does.
        """
        replay_id = uuid4()
        replay = self._subscriptions.begin_replay(
            subscriber.connection_id,
            subscriber.account_id,
            order_id,
            replay_id=replay_id,
            after_seq=after_seq,
            is_behind=True,
        )
        if replay is not None:
            return self._replay(
                subscriber,
                order_id,
                replay,
                replay_id=replay_id,
                deferred_acknowledgement=deferred_acknowledgement,
            )
        if deferred_acknowledgement is None:
            return True
        order = self._order(subscriber, order_id)
        # Only batched connections have acknowledgements deferred.
        answer = batch_texts([json_text(accepted(deferred_acknowledgement.request_id, order))])
        if self._post(subscriber, list(answer)) is Delivery.UNDELIVERED:
            raise RetryableError("the acknowledgement was not delivered")
        return True

    def _replay(
        self,
        subscriber: Subscriber,
        order_id: UUID,
        replay: Replay,
        *,
        replay_id: UUID,
        greeting: JsonObject | None = None,
        deferred_acknowledgement: Acknowledgement | None = None,
        content_sha256: str | None = None,
    ) -> bool:
        """Send what a replay that has begun has to bring; returns and raises what ``replay`` does."""
        texts = [json_text(greeting)] if greeting else []
        order = self._order(subscriber, order_id)
        if content_sha256 not in {None, order.content_sha256}:
            self._subscriptions.remove(subscriber.connection_id, order_id)
            raise client_order_id_conflict()
        members = (
            [json_text(accepted(deferred_acknowledgement.request_id, order))]
            if deferred_acknowledgement
            else []
        )
        sent_to, looks_in_vain = replay.after_seq, 0
        while looks_in_vain < _LOOKS_IN_VAIN_MAX:
            events = self._queries.events_after(order_id, sent_to, limit=_EVENTS_PER_READ)
            members += self._views.frame_texts(order.terms.client_order_id, events)
            texts += batch_texts(members) if replay.batched else members
            delivery = self._post(subscriber, texts) if texts else Delivery.DELIVERED
            if delivery is Delivery.UNDELIVERED and deferred_acknowledgement is not None:
                # The sweep would bring the events, and nothing else.
                raise RetryableError("the acknowledgement was not delivered")
            if delivery is not Delivery.DELIVERED:
                return False
            texts, members, deferred_acknowledgement = [], [], None
            if events:
                sent_to, looks_in_vain = events[-1].seq, 0
            elif self._subscriptions.go_live(
                subscriber.connection_id, order_id, replay_id=replay_id, seq=sent_to
            ):
                return True
            else:
                # What kept it from going live has an event, which the next look finds, unless the order was
                # archived since it was looked up.
                looks_in_vain += 1
        self._order(subscriber, order_id)
        logger.error("events missing", order_id=str(order_id), connection_id=subscriber.connection_id)
        return False

    def _begin(self, subscriber: Subscriber, order_id: UUID, replay_id: UUID, after_seq: int) -> Replay:
        def begin() -> Replay | None:
            return self._subscriptions.begin_replay(
                subscriber.connection_id,
                subscriber.account_id,
                order_id,
                replay_id=replay_id,
                after_seq=after_seq,
            )

        return found_in_time(begin, self._wait_budget, subscriber.account_id, wait_s=self._lookup_wait_s)

    def _order(self, subscriber: Subscriber, order_id: UUID) -> Order:
        try:
            view = self._queries.find(subscriber.account_id, order_id)
        except ArchivedError:
            # There is nothing to catch it up with.
            self._subscriptions.remove(subscriber.connection_id, order_id)
            raise
        if view is None:
            raise NotFoundError
        return view.state.order

    def _post(self, subscriber: Subscriber, texts: Sequence[str]) -> Delivery:
        posted = [Frame(subscriber.connection_id, text) for text in texts]

        def post() -> Delivery | None:
            delivery = self._connections.post(posted)[subscriber.connection_id]
            return None if delivery is Delivery.GONE else delivery

        # Waiting for a connection that never comes is waiting in vain too.
        wait_s = _ESTABLISH_TIME_LIMIT_S if subscriber.is_new else 0.0
        may_wait = self._wait_budget.has_some(subscriber.account_id)
        delivery = self._wait_budget.wait(subscriber.account_id, post, limit_s=wait_s)
        if delivery is None and (may_wait or not subscriber.is_new):
            self._subscriptions.forget([subscriber.connection_id])
            return Delivery.GONE
        if delivery is not Delivery.DELIVERED:
            # Not live and not caught up: the sweep finds it if the client does not ask again before.
            logger.warning(
                "replay interrupted", connection_id=subscriber.connection_id, again_in_s=CATCH_UP_DELAY_S
            )
            return Delivery.UNDELIVERED
        return delivery


def _log_failed_replay(order_id: UUID, error: Exception) -> None:
    # The sweep tries again to catch the connection up.
    logger.error("defect", exc_info=error, order_id=str(order_id), doing="replaying")


@contextmanager
def _unknown_if(fault_type: type[RetryableError], done: str, order_id: UUID | None) -> Iterator[None]:
    """Turn a fault that may have left something done into an unknown outcome: it is no refusal."""
    try:
        yield
    except fault_type as fault:
        raise UnknownOutcomeError(f"whether it is {done} is not known: ask again", order_id) from fault
