"""Dead letters: what could not be finished gets its final status, its owner is told, and the message is archived."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from chalicelib.domain.errors import Code, ExecutionError, RetryableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import HeldOrder, Step
from chalicelib.logs import logger
from chalicelib.services import steps
from chalicelib.services.latecomers import Latecomers
from chalicelib.services.ports import Chain, Clock, Observer, OrderQueries, OrderRecord
from chalicelib.services.retelling import Retelling
from chalicelib.services.settlement import Settlement
from chalicelib.wire.queue_messages import (
    FollowMessage,
    OrderMessage,
    ResumeMessage,
    UnreadableMessageError,
    parse_message,
)
from chalicelib.wire.unreadable_messages import remains

_UNREADABLE: Final = "the order cannot be read by this release of the engine; nothing of it was executed"


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


class SettleDeadLetters:
    """Nothing is tried again here: only what has happened already is found out and written down."""

    def __init__(
        self,
        *,
        record: OrderRecord,
        queries: OrderQueries,
        archive: DeadLetterArchive,
        chain: Chain,
        settlement: Settlement,
        retelling: Retelling,
        observer: Observer,
        latecomers: Latecomers,
        clock: Clock,
        lease_ms: int,
    ) -> None:
        self._record = record
        self._queries = queries
        self._archive = archive
        self._chain = chain
        self._settlement = settlement
        self._retelling = retelling
        self._observer = observer
        self._latecomers = latecomers
        self._clock = clock
        self._lease_ms = lease_ms

    def settle(self, letter: DeadLetter) -> bool:
        """Finish what a dead letter is about; return False if it has to stay in its queue for now.

        Raises:
            RetryableError: The record or the chain is unreachable; the message stays where it is.
        """
        try:
            message = parse_message(letter.body)
        except UnreadableMessageError as error:
            self._settle_unreadable(letter, str(error))
            return True
        match message:
            case FollowMessage():
                return self._settle_follow(letter, message)
            case OrderMessage():
                return self._settle_order(letter, message.order.order_id, message)
            case ResumeMessage():
                return self._settle_order(letter, message.order_id, None)

    def give_up(self, letter: DeadLetter, error: Exception) -> None:
        """Archive a letter that cannot be settled, for a reason that nobody foresaw.

        If its order is on record, the sweep goes on with that.

        Raises:
            RetryableError: The record is unreachable; the message stays where it is.
        """
        order_id = remains(letter.body).order_id
        logger.error(
            "defect",
            exc_info=error,
            message_id=letter.message_id,
            order_id=str(order_id) if order_id else None,
            doing="settling a dead letter",
        )
        self._archive.archive(letter, order_id=order_id, reason=f"a defect of ours: {type(error).__name__}")

    def _settle_unreadable(self, letter: DeadLetter, problem: str) -> None:
        """Bring what a message says, as far as it can be read, to an end."""
        left = remains(letter.body)
        if left.order is not None:
            self._refuse(left.order, left.connection_id)
        elif left.order_id is not None and left.connection_id is not None:
            refusal = ExecutionError(Code.INTERNAL_ERROR, _UNREADABLE)
            self._latecomers.refuse(left.connection_id, left.request_id, refusal, left.order_id)
        reason = f"not a message of this engine: {problem}"
        self._archive.archive(letter, order_id=left.order_id, reason=reason)
        order_id = str(left.order_id) if left.order_id else None
        logger.error(
            "unreadable dead letter archived", message_id=letter.message_id, order_id=order_id, reason=problem
        )

    def _refuse(self, order: Order, connection_id: str | None) -> None:
        """End an order that was accepted and is not understood whole; one on record is the sweep's to finish."""
        error = ExecutionError(Code.INTERNAL_ERROR, _UNREADABLE)
        ended = steps.failed_at_once(order, error, self._clock.now(), connection_id)
        if self._record.create([ended], lease_ms=0):
            self._observer.saw([(order, ended.events)], {})
            self._retelling.retell(ended.state)

    def _settle_follow(self, letter: DeadLetter, message: FollowMessage) -> bool:
        view = self._queries.find(message.account_id, message.order_id)
        if view is not None:
            self._latecomers.bring(
                message.connection_id,
                view.state.order,
                after_seq=message.after_seq,
                content_sha256=message.content_sha256,
                owed=message.owed,
            )
        elif message.content_sha256 is not None:
            return False  # the order was accepted: its own message puts it on record first
        reason = "a connection could not be caught up"
        self._archive.archive(letter, order_id=message.order_id, reason=reason)
        return True

    def _settle_order(self, letter: DeadLetter, order_id: UUID, message: OrderMessage | None) -> bool:
        if message is not None:
            self._create(message.order, message.connection_id)
        claims = self._record.claim([order_id], lease_ms=self._lease_ms)
        if order_id in claims.busy:
            return False
        if order_id in claims.held:
            ended = self._end(claims.held[order_id])
            if ended is None:
                return False
            reason, told = f"received {letter.receive_count} times; the order ended as {ended.status}", ended
        elif order_id in claims.final:
            told = claims.final[order_id]
            reason = f"the order was {told.status} already"
        else:
            self._archive.archive(letter, order_id=order_id, reason="names an order that is not on record")
            return True
        self._retelling.retell(told)
        if message is not None and message.connection_id is not None:
            self._latecomers.bring(
                message.connection_id,
                told.order,
                after_seq=0,
                content_sha256=message.order.content_sha256,
                request_id=message.request_id,
                owed=message.owed,
            )
        self._archive.archive(letter, order_id=order_id, reason=reason)
        logger.error(
            "dead letter settled", message_id=letter.message_id, order_id=str(order_id), reason=reason
        )
        return True

    def _create(self, order: Order, connection_id: str | None) -> None:
        """Put an accepted order on record that no consumer ever got to."""
        new = steps.first_step(order, self._clock.now(), connection_id)
        # No lease: it is claimed like any other in the next breath.
        if self._record.create([new], lease_ms=0):
            self._observer.saw([(order, new.events)], {})

    def _end(self, held: HeldOrder) -> OrderState | None:
        """Record the order's end; None if the chain has not decided yet, or somebody else moved it on."""
        step = self._decided(held)
        if step is None:
            self._record.record([steps.let_go(held, told=False)], lease_ms=self._lease_ms)
            return None
        counted = self._record.record([step], lease_ms=self._lease_ms)
        if not counted:
            return None
        self._observer.saw([(step.state.order, step.events)], {})
        return step.state

    def _decided(self, held: HeldOrder) -> Step | None:
        if held.open_attempt is not None:
            view = self._chain.view([held.open_attempt.transaction.signature])
            return self._settlement.decision(held, view)
        error = ExecutionError(Code.RETRIES_EXHAUSTED, "the order could not be executed and was given up")
        return steps.failed(held, error, self._clock.now())


def settle_each(settling: SettleDeadLetters, letters: Sequence[DeadLetter]) -> dict[str, bool]:
    """Settle dead letters one by one; a fault or a defect of one leaves the others alone.

    A passing fault keeps a letter in its queue. One that runs into a defect is archived: settled again, it would fail
    again, and an order on record has the sweep.
    """
    settled: dict[str, bool] = {}
    for letter in letters:
        try:
            settled[letter.message_id] = _settled(settling, letter)
        except RetryableError as fault:
            logger.warning("dead letter stays", message_id=letter.message_id, reason=fault.message)
            settled[letter.message_id] = False
        except Exception:  # noqa: BLE001  # as below
            logger.exception("defect", message_id=letter.message_id, doing="archiving a dead letter")
            settled[letter.message_id] = False
    return settled


def _settled(settling: SettleDeadLetters, letter: DeadLetter) -> bool:
    try:
        return settling.settle(letter)
    except RetryableError:
        raise
    except Exception as error:  # noqa: BLE001  # a defect of ours is this letter's alone, and ends it
        settling.give_up(letter, error)
        return True
