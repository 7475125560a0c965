"""The scheduled sweep: finds what no message will finish, and sends the message that will."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import Message, ResumeMessage, SubscribeMessage
from chalicelib.logs import logger
from chalicelib.services.isolation import one_by_one, together_or_alone
from chalicelib.services.ports import Connections, OrderQueue, QueueMessage
from chalicelib.services.recovery.turns import Rest
from chalicelib.services.subscription_ports import Subscriptions
from chalicelib.wire.queue_messages import render_message

SWEPT_MAX: Final = 1_000
"""Of each kind at a time: all kinds take turns, until nothing is left or the time is up."""

CLOSED_MAX: Final = 4
"""Connections are closed one by one, each by a request: were none of them answered, each would take a second
of the turn, and what was closed has still to be forgotten in it.
"""

PAIRS_MAX: Final = 500
"""What arms a watch waits until they are gone."""

TURN_S: Final = 5.0
"""What a turn of one kind may take; with less time left the next run goes on."""


@dataclass(frozen=True, slots=True)
class StrandedOrder:
    """An unfinished order whose lease ended a while ago, or one whose events may not be published."""

    order_id: UUID
    account_id: str


@dataclass(frozen=True, slots=True)
class SubscriptionBehind:
    """A connection that missed events and was not caught up since."""

    connection_id: str
    account_id: str
    order_id: UUID
    replayed_to: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many subscriptions or pairs were removed, and whether there are others that were not looked at."""

    removed: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a turn came to, and whether another one may find more."""

    done: int
    is_more: bool


Found = TypeVar("Found", StrandedOrder, SubscriptionBehind)


@dataclass(frozen=True, slots=True)
class SweepPart(Generic[Found]):
    """Some of what was left behind.

    Attributes:
        rest: Where the next part begins; None after the last one.
    """

    found: Sequence[Found]
    rest: Rest | None = None


class Housekeeping(Protocol):
    """What the record knows of things left behind. Raises ``RetryableError`` if it is unreachable."""

    def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:
        """Look at the next so many orders under way; return those of them that no consumer has claimed for
        longer than any message stays away.

        Those that were resumed a moment ago are left out: their message waits in the queue.
        """
        ...

    def unpublished_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        """Return orders with a cancel or an amendment that was committed a while ago and, for all that is
        known, not published.
        """
        ...

    def note_resumed(self, order_ids: Sequence[UUID]) -> None:
        """Note that messages were sent which will resume the orders."""
        ...

    def subscriptions_behind(self, rest: Rest, *, limit: int) -> SweepPart[SubscriptionBehind]:
        """Return subscriptions that wait for a replay, and note that they were returned.

        Until that has had time to come about, they are not found again.
        """
        ...

    def note_unsent(self, behind: Sequence[SubscriptionBehind]) -> None:
        """Note that no message was sent for these, so that they are found again at once."""
        ...

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        """Return connections past their time."""
        ...

    def forget_finished(self, *, limit: int) -> Forgotten:
        """Remove those of the next so many subscriptions whose orders ended a while ago, and are not known to
        be unpublished.

        Each call goes on where the last one stopped, and begins anew after the last subscription.
        """
        ...

    def forget_pairs(self, *, limit: int) -> Forgotten:
        """Remove pairs of tokens that no order waits for and no mark was noted of lately, if there are many.

        None that is just being waited for; none at all while others keep it from being sure of that.
        """
        ...

    def wake_doubted(self, *, limit: int) -> int:
        """Have the next so many orders looked at that rest, where the record may lack that they executed;
        return how many those were. And note that the record is where it was.

        Each call goes on where the last one stopped, and none finds any once all of them were.
        """
        ...


class Sweep:
    """One run of the sweep. Safe to repeat and to overlap: every message it sends is idempotent."""

    def __init__(
        self,
        housekeeping: Housekeeping,
        queue: OrderQueue,
        connections: Connections,
        subscriptions: Subscriptions,
    ) -> None:
        self._housekeeping = housekeeping
        self._queue = queue
        self._connections = connections
        self._subscriptions = subscriptions

    def run(self, has_time: Callable[[float], bool] = lambda _: True) -> None:
        """Do all of it, until nothing is left or the time is up.

        The kinds take turns, so that a lost queue's hundred thousand orders keep no connection waiting.

        Args:
            has_time: Whether there are so many seconds left.

        Raises:
            RetryableError: The record or the queue is unreachable; the next run goes on.
        """
        kinds: dict[str, Callable[[], _Turn]] = {
            "resumed": _InParts(self._resume_stranded).turn,
            "published": self._publish,
            "caught_up": _InParts(self._catch_up).turn,
            "closed": self._close_expired,
            "forgotten": self._forget_finished,
            "pairs_forgotten": self._forget_pairs,
            "woken": self._wake_doubted,
        }
        done = dict.fromkeys(kinds, 0)
        left = list(kinds)
        is_first = True
        while left and (is_first or has_time(TURN_S)):
            for name in tuple(left):
                if not (is_first or has_time(TURN_S)):
                    break
                # A defect in one kind, or over one order, must not keep the sweep from all the others.
                turns = one_by_one([kinds[name]], lambda turn: turn(), _log_defect)
                done[name] += sum(turn.done for turn in turns)
                if not any(turn.is_more for turn in turns):
                    left.remove(name)
            is_first = False
        if any(done.values()) or left:
            logger.info("swept", extra={**done, "left": left})

    def _resume_stranded(self, rest: Rest) -> tuple[int, Rest | None]:
        part = self._housekeeping.stranded_orders(rest, limit=SWEPT_MAX)
        return self._resume(part.found), part.rest

    def _publish(self) -> _Turn:
        unpublished = self._housekeeping.unpublished_orders(limit=SWEPT_MAX)
        number = self._resume(unpublished)
        # One of which no message can be made is found again each time.
        return _Turn(number, len(unpublished) == SWEPT_MAX and number > 0)

    def _resume(self, orders: Sequence[StrandedOrder]) -> int:
        sent: list[UUID] = []

        def resumed(order: StrandedOrder) -> None:
            sent.append(order.order_id)
            logger.warning("stranded order resumed", order_id=str(order.order_id))

        try:
            return self._send(orders, lambda order: ResumeMessage(order_id=order.order_id), resumed)
        finally:
            # What was not sent is found again by the next run.
            if sent:
                self._housekeeping.note_resumed(sent)

    def _catch_up(self, rest: Rest) -> tuple[int, Rest | None]:
        part = self._housekeeping.subscriptions_behind(rest, limit=SWEPT_MAX)
        sent: set[SubscriptionBehind] = set()
        try:
            return self._send(part.found, _subscribe_message, sent.add), part.rest
        except RetryableError:
            # The next run would take their messages to be waiting in the queue.
            self._housekeeping.note_unsent([each for each in part.found if each not in sent])
            raise

    def _send(
        self,
        found: Sequence[Found],
        message_for: Callable[[Found], Message],
        sent: Callable[[Found], None] = lambda _: None,
    ) -> int:
        """Send a message for each of what was found; return how many were sent."""

        def message(each: Found) -> tuple[Found, QueueMessage]:
            return each, QueueMessage(render_message(message_for(each)), each.account_id)

        def send(some: Sequence[tuple[Found, QueueMessage]]) -> int:
            self._queue.send([message for _, message in some])
            for each, _ in some:
                sent(each)
            return len(some)

        messages = one_by_one(found, message, _log_defect)
        return sum(together_or_alone(messages, send, lambda one, error: _log_defect(one[0], error)))

    def _close_expired(self) -> _Turn:
        expired = self._housekeeping.expired_connections(limit=CLOSED_MAX)
        one_by_one(expired, self._connections.close, _log_defect)
        if expired:
            self._subscriptions.forget(expired)
        return _Turn(len(expired), len(expired) == CLOSED_MAX)

    def _forget_finished(self) -> _Turn:
        forgotten = self._housekeeping.forget_finished(limit=SWEPT_MAX)
        return _Turn(forgotten.removed, forgotten.is_more)

    def _wake_doubted(self) -> _Turn:
        # No more in a run: each of them takes a consumer's look at its chain, beside what is new.
        return _Turn(self._housekeeping.wake_doubted(limit=SWEPT_MAX), is_more=False)

    def _forget_pairs(self) -> _Turn:
        forgotten = self._housekeeping.forget_pairs(limit=PAIRS_MAX)
        return _Turn(forgotten.removed, forgotten.is_more)


class _InParts:
    """A kind whose parts a run goes through once."""

    def __init__(self, do: Callable[[Rest], tuple[int, Rest | None]]) -> None:
        self._do = do
        self._rest = Rest()

    def turn(self) -> _Turn:
        done, rest = self._do(self._rest)
        self._rest = rest or self._rest
        return _Turn(done, rest is not None)


def _subscribe_message(behind: SubscriptionBehind) -> SubscribeMessage:
    return SubscribeMessage(
        connection_id=behind.connection_id,
        account_id=behind.account_id,
        order_id=behind.order_id,
        after_seq=behind.replayed_to,
    )


def _log_defect(what: object, error: Exception) -> None:
    order_id = str(what.order_id) if isinstance(what, StrandedOrder | SubscriptionBehind) else None
    logger.error("defect", exc_info=error, order_id=order_id, doing="sweeping")
