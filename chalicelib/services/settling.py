"""Dead letters: what could not be finished gets its final status, its owner is told, and the message is archived."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
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
from chalicelib.wire.queue_messages import FollowMessage, OrderMessage, ResumeMessage, parse_message


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
        except ValueError:
            self._archive.archive(letter, order_id=None, reason="not a message of this engine")
            logger.error("foreign dead letter archived", message_id=letter.message_id)
            return True
        match message:
            case FollowMessage():
                return self._settle_follow(letter, message)
            case OrderMessage():
                return self._settle_order(letter, message.order.order_id, message)
            case ResumeMessage():
                return self._settle_order(letter, message.order_id, None)

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
    """Settle dead letters one by one; a passing fault keeps the letter in its queue and leaves the others alone."""
    settled: dict[str, bool] = {}
    for letter in letters:
        try:
            settled[letter.message_id] = settling.settle(letter)
        except RetryableError as fault:
            logger.warning("dead letter stays", message_id=letter.message_id, reason=fault.message)
            settled[letter.message_id] = False
    return settled
