"""Dead letters: what could not be finished gets its final status, its owner is notified,
and the message is archived.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from chalicelib.domain.errors import Code, DatabaseInternalError, ExecutionError, RetryableError
from chalicelib.domain.events import Open
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.queue_messages import (
    FiredMessage,
    Message,
    OrderMessage,
    Remains,
    ResumeMessage,
    SubscribeMessage,
    UnreadableMessageError,
)
from chalicelib.domain.statuses import MAY_FOLLOW, OrderStatus
from chalicelib.logs import logger
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.confirmation import Confirmation
from chalicelib.services.consumer.trigger_step import fired_by_mark, is_to_be_refused_where_met
from chalicelib.services.delivery.dead_letter_subscribers import DeadLetterSubscribers
from chalicelib.services.delivery.republish import EventRepublisher
from chalicelib.services.mints import LearnMints
from chalicelib.services.ports import Clock, Observer, OrderQueries, OrderRecord

_UNREADABLE: Final = "the order cannot be read by this release of the engine; nothing of it was executed"
_DEFECT: Final = "a defect of ours kept the order from being executed"
_DEADLY: Final = (
    "whatever was to send the order died, or lost the record, each time; nothing of it was executed"
)

GIVEN_UP_MAX: Final = 50
"""So many consumers of an order that may rest have to have died over it, until its message was used up.

More than one message brings, which is forty at most, since half an outage looks the same: the record lets
orders be claimed, and takes nothing else. In a whole one nothing can be claimed, and so no lease runs out but
the first.
"""

COPIED_AFTER: Final = timedelta(days=1)
"""Of a letter that the database fails over a copy is kept only then: why it was archived is not changed
later, and most such faults pass.
"""

_OfAnOrder: TypeAlias = OrderMessage | ResumeMessage | FiredMessage


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was received too often without being finished."""

    message_id: str
    body: str
    receive_count: int


class DeadLetterArchive(Protocol):
    def archive(self, letter: DeadLetter, *, order_id: UUID | None, reason: str) -> None:
        """Keep a message for good; one that is kept already is fine.

        Raises ``RetryableError`` if the record is unreachable.
        """
        ...


class ResolveDeadLetters:
    """Nothing is tried again here: only what has happened already is found out and written down.

    Args:
        mints: Learns of tokens that are not listed, which an order may name.
        parse: Returns a body's message; raises ``UnreadableMessageError`` if it is not one of ours.
        remains: Returns what a body that breaks the rules still says; raises nothing.
        may_have_executed: Returns whether an order may have executed of which the record knows nothing. Who
            resolves dead letters may not read the key that tells the wallet, and so cannot look it up:
            nothing ends here then but what has landed.
    """

    def __init__(
        self,
        *,
        record: OrderRecord,
        queries: OrderQueries,
        archive: DeadLetterArchive,
        confirmation: Confirmation,
        republisher: EventRepublisher,
        observer: Observer,
        dead_letter_subscribers: DeadLetterSubscribers,
        clock: Clock,
        lease_ms: int,
        parse: Callable[[str], Message],
        remains: Callable[[str], Remains],
        mints: LearnMints,
        may_have_executed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._may_have_executed = may_have_executed
        self._record = record
        self._queries = queries
        self._archive = archive
        self._confirmation = confirmation
        self._republisher = republisher
        self._observer = observer
        self._dead_letter_subscribers = dead_letter_subscribers
        self._clock = clock
        self._lease_ms = lease_ms
        self._parse = parse
        self._remains = remains
        self._mints = mints

    def resolve(self, letter: DeadLetter) -> bool:
        """Finish what a dead letter is about; return False if it has to stay in its queue for now.

        Raises:
            RetryableError: The record or the chain is unreachable; the message stays where it is.
        """
        try:
            message = self._parse(letter.body)
        except UnreadableMessageError as error:
            self._resolve_unreadable(letter, str(error))
            return True
        match message:
            case SubscribeMessage():
                return self._resolve_subscription(letter, message)
            case OrderMessage():
                return self._resolve_order(letter, message.order.order_id, message)
            case ResumeMessage() | FiredMessage():
                return self._resolve_order(letter, message.order_id, message)

    def give_up(self, letter: DeadLetter, error: Exception) -> bool:
        """Archive a letter that cannot be resolved, for a reason that was not foreseen.

        If its order is on record, the sweep goes on with that; if not, the order ends here. Return False if
        that cannot be written down either, or what became of it not be told: then the message is all there is
        of that, and stays. So it does where the database fails over it, which may pass.

        Raises:
            RetryableError: The record is unreachable; the message stays where it is.
        """
        left = self._remains(letter.body)
        order_id = left.order_id
        if isinstance(error, DatabaseInternalError):
            if left.order is not None and self._clock.now() - left.order.accepted_at > COPIED_AFTER:
                self._archive.archive(letter, order_id=order_id, reason=f"{error.message}, so it stays")
            return False
        named, doing = str(order_id) if order_id else None, "resolving a dead letter"
        logger.error("defect", exc_info=error, message_id=letter.message_id, order_id=named, doing=doing)
        is_over = left.order is None or self._is_on_record(left.order, left.connection_id)
        reason = f"a defect of ours: {type(error).__name__}"
        if not is_over:
            reason += "; its order is not on record, or not told, so it stays"
        self._archive.archive(letter, order_id=order_id, reason=reason)
        return is_over

    def _is_on_record(self, order: Order, connection_id: str | None) -> bool:
        """Put an order on record as failed if it is not there yet; return whether it is there now, and told
        if the sweep would not.
        """
        try:
            self._end_unexecuted(order, connection_id, _DEFECT)
        except RetryableError:
            raise
        except Exception:  # noqa: BLE001  # a second defect: what matters is whether the order is on record
            logger.exception("defect", order_id=str(order.order_id), doing="ending an order of a dead letter")
            state = self._record.state(order.account_id, order.order_id)
            return state is not None and (_is_swept(state) or state.published_seq == state.seq)
        return True

    def _resolve_unreadable(self, letter: DeadLetter, problem: str) -> None:
        """Bring what a message says, as far as it can be read, to an end."""
        left = self._remains(letter.body)
        if left.order is not None:
            self._end_unexecuted(left.order, left.connection_id, _UNREADABLE)
        elif left.order_id is not None and left.connection_id is not None:
            refusal = ExecutionError(Code.INTERNAL_ERROR, _UNREADABLE)
            self._dead_letter_subscribers.refuse(left.connection_id, left.request_id, refusal, left.order_id)
        reason = f"not a message of this engine: {problem}"
        self._archive.archive(letter, order_id=left.order_id, reason=reason)
        order_id = str(left.order_id) if left.order_id else None
        logger.error(
            "unreadable dead letter archived", message_id=letter.message_id, order_id=order_id, reason=problem
        )

    def _end_unexecuted(self, order: Order, connection_id: str | None, why: str) -> None:
        """End an accepted order that is not on record, and tell its end; one on record is the sweep's to
        finish, and told here if the sweep would not.

        Raises ``RetryableError`` while it may have executed all the same: it is not to be told the contrary.
        """
        if self._may_have_executed() and self._record.state(order.account_id, order.order_id) is None:
            raise RetryableError("whether the order has executed is not known yet")
        error = ExecutionError(Code.INTERNAL_ERROR, why)
        ended = transitions.failed_at_once(order, error, self._clock.now(), connection_id)
        found: OrderState | None = ended.state
        if self._record.create([ended], lease_ms=0):
            self._observer.saw([(order, ended.events)], {})
        else:
            found = self._record.state(order.account_id, order.order_id)
        if found is not None and not _is_swept(found):
            self._republisher.republish(found)

    def _resolve_subscription(self, letter: DeadLetter, message: SubscribeMessage) -> bool:
        view = self._queries.find(message.account_id, message.order_id)
        if view is not None:
            self._dead_letter_subscribers.subscribe(
                message.connection_id,
                view.state.order,
                after_seq=message.after_seq,
                content_sha256=message.content_sha256,
                deferred_acknowledgement=message.deferred_acknowledgement,
                is_behind=message.is_behind,
            )
        elif message.content_sha256 is not None:
            return False  # the order was accepted: its own message puts it on record first
        reason = "a connection could not be caught up"
        self._archive.archive(letter, order_id=message.order_id, reason=reason)
        return True

    def _resolve_order(self, letter: DeadLetter, order_id: UUID, message: _OfAnOrder) -> bool:
        if isinstance(message, OrderMessage):
            self._create(message.order, message.connection_id)
        claims = self._record.claim([order_id], lease_ms=self._lease_ms)
        if order_id in claims.busy:
            return False
        if order_id in claims.claimed and _is_brought_on(claims.claimed[order_id], message):
            # The letter is out of date.
            found = claims.claimed[order_id].state
            self._record.record(
                [transitions.release(claims.claimed[order_id], published=False)], lease_ms=self._lease_ms
            )
            reason = "the order rests"
        elif order_id in claims.claimed:
            ended = self._end(claims.claimed[order_id])
            if ended is None:
                return False
            # One that may rest waits on, unless its last transaction may land, or has landed.
            became = "rests" if ended.status is OrderStatus.OPEN else "goes on"
            became = f"ended as {ended.status}" if ended.is_final else became
            reason, found = f"received {letter.receive_count} times; the order {became}", ended
        elif order_id in claims.final:
            found = claims.final[order_id]
            reason = f"the order was {found.status} already"
        else:
            self._archive.archive(letter, order_id=order_id, reason="names an order that is not on record")
            return True
        if not self._is_told(found, message):
            return False
        self._archive.archive(letter, order_id=order_id, reason=reason)
        logger.error(
            "dead letter resolved", message_id=letter.message_id, order_id=str(order_id), reason=reason
        )
        return True

    def _is_told(self, found: OrderState, message: _OfAnOrder) -> bool:
        """Tell those who wait for an order what has become of it; return False if a defect keeps it from
        being told, and the letter is all that would tell it.
        """
        try:
            self._republisher.republish(found)
            if not found.is_final:
                self._republisher.note(found)  # its claim has ended before that
            if isinstance(message, OrderMessage) and message.connection_id is not None:
                self._dead_letter_subscribers.subscribe(
                    message.connection_id,
                    found.order,
                    after_seq=0,
                    content_sha256=message.order.content_sha256,
                    request_id=message.request_id,
                    deferred_acknowledgement=message.deferred_acknowledgement,
                )
        except RetryableError:
            raise
        except Exception:
            if _is_swept(found):
                raise
            logger.exception("defect", order_id=str(found.order.order_id), doing="telling an order's events")
            return False
        return True

    def _create(self, order: Order, connection_id: str | None) -> None:
        """Put an accepted order on record that no consumer ever got to."""
        new = transitions.first_transition(
            order, self._clock.now(), connection_id, may_have_executed=self._may_have_executed()
        )
        # No lease: it is claimed like any other in the next breath.
        if self._record.create([new], lease_ms=0):
            self._observer.saw([(order, new.events)], {})

    def _end(self, claimed: ClaimedOrder) -> OrderState | None:
        """Record the order's end, or that it rests again; None if the chain has not decided yet, or another
        consumer moved it on.

        What only a consumer may decide is left as it is, and found by the sweep. Its letter is not to stay:
        with each look at that, the sweep would take the order for one that has just been worked on.
        """
        transition = self._decided(claimed)
        if transition is None or self._is_consumers(transition):
            self._record.record([transitions.release(claimed, published=False)], lease_ms=self._lease_ms)
            return claimed.state if transition is not None else None
        # What rests again may fire at once.
        counted = self._record.record([replace(transition, release=True)], lease_ms=self._lease_ms)
        if not counted:
            # Canceled with all others before it was on record, perhaps: its letter tells of that next time.
            ended = self._record.cancel_covered([claimed.state.order.order_id], self._clock.now())
            self._observer.saw([(order, (event,)) for order, event in ended], {})
            return None
        self._observer.saw([(transition.state.order, transition.events)], {})
        return transition.state

    def _is_consumers(self, transition: Transition) -> bool:
        """Return whether only a consumer may say what becomes of an order: it sees prices, and its wallet.

        At rest, an order that is to be refused where its trigger is met would fire instead. And one whose
        trigger was met goes on, unless it has killed too many of them.
        """
        if self._may_have_executed():
            return transition.state.status is not OrderStatus.CONFIRMED
        if transition.watch is not None:
            return is_to_be_refused_where_met(transition.claimed)
        before = transition.claimed.state
        is_met = before.is_triggered and before.order.terms.trigger is not None and not before.was_sent
        return is_met and transition.failure_code is not None and before.given_up < GIVEN_UP_MAX

    def _decided(self, claimed: ClaimedOrder) -> Transition | None:
        if claimed.open_attempt is not None:
            # What it exchanged is written down in token units.
            self._mints.learn((claimed.state.order.terms.input_token, claimed.state.order.terms.output_token))
            return self._bounded(self._confirmation.decision(claimed, self._confirmation.look([claimed])))
        return self._bounded(self._unsent(claimed))

    def _unsent(self, claimed: ClaimedOrder) -> Transition:
        """Return what becomes of an order of which nothing is on its way: one that may rest waits on."""
        now = self._clock.now()
        if claimed.is_late(now):
            return transitions.late(claimed, now)
        triggered = fired_by_mark(claimed, now)
        if triggered is not None:
            return triggered  # the sweep has the consumer take it up
        if _may_rest(claimed.state):
            return transitions.rest(claimed, now)
        error = ExecutionError(Code.RETRIES_EXHAUSTED, "the order could not be executed and was given up")
        return transitions.failed(claimed, error, now)

    def _bounded(self, transition: Transition | None) -> Transition | None:
        """Return the end of an order in the place of another rest, if its consumers died over it too often.

        It would fire again and kill as many of them, for ever.
        """
        if transition is None or transition.watch is None:
            return transition
        given_up = transition.claimed.state.given_up
        if given_up < GIVEN_UP_MAX:
            # No consumer of it has lived yet: those that die over it next count on.
            return replace(transition, state=replace(transition.state, given_up=given_up))
        error, last = ExecutionError(Code.INTERNAL_ERROR, _DEADLY), None
        if transition.outcome is not None:
            rests = transition.events[-1].what
            assert isinstance(rests, Open)
            last = transitions.InVain(
                "dead" if transition.outcome.outcome == "dead" else "refused",
                error.message,
                rests.network_fee_lamports,
            )
        return transitions.failed(transition.claimed, error, self._clock.now(), last)


def _is_brought_on(claimed: ClaimedOrder, message: _OfAnOrder) -> bool:
    """Return whether an order rests, and what it waits for brings it on, or the message of what has fired.

    Put to rest by another one, it would have to wait for its price again, which may have left.
    """
    if claimed.state.status is not OrderStatus.OPEN:
        return False
    firing = message.firing if isinstance(message, FiredMessage) else None
    return claimed.fired is None or claimed.fired.firing != firing


def _is_swept(state: OrderState) -> bool:
    """Return whether the sweep looks for an order, and has it told: not for one that has ended, or rests."""
    return not state.is_final and state.status is not OrderStatus.OPEN


def _may_rest(state: OrderState) -> bool:
    """Return whether an order of which nothing was sent, or only what came to nothing, may wait on."""
    terms = state.order.terms
    waits = terms.rests_at_limit or (terms.may_rest and state.waits_for_trigger)
    return state.status is OrderStatus.OPEN or (waits and OrderStatus.OPEN in MAY_FOLLOW[state.status])
