"""The consumers of the orders queue and of its dead letters: a batch in, what must come back out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chalicelib.bootstrap import services
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import Message, OrderMessage, UnreadableMessageError
from chalicelib.logs import logger
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.consumer.messages import Received
from chalicelib.services.consumer.whole_batches import settle_whole
from chalicelib.services.ports import ReceivedMessages
from chalicelib.wire.queue_messages import parse_message

SENT_BACK_AFTER_S: Final = 60
"""More than accepting an order takes, and than clocks are apart; less than deliveries are used up in."""

UNREADABLE_AGAIN_S: Final = 9
"""When a message that cannot be read comes again: another release may, whose functions take over."""

_RECEIVED: Final = "ApproximateReceiveCount"
_SENT: Final = "SentTimestamp"
_END_OF: Final = {_RECEIVED: 2**31, _SENT: 2**63}
_RECEIVED_UNSAID: Final = 3
"""How often a message came of which that is not said: what became of it is looked up, as of any that came
before, and it is not set apart, as one is that comes for the second time.
"""

Record = dict[str, Any]
"""A message of an event, as SQS's event source mapping hands it over."""

PartialResponse = dict[str, list[dict[str, str]]]
"""The messages that have to be delivered again:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""


def execute_orders(event: dict[str, Any]) -> PartialResponse:
    """Work through a batch together; report what has to be delivered again.

    The batch is one unit of work: one claim, one write-ahead, one outcome.
    """
    records: list[Record] = event["Records"]
    finished = _consume(records)
    services().observer.flush()
    _tell_presence(records)
    return _response(records, finished, lambda: services().received_orders)


def settle_dead_letters(event: dict[str, Any]) -> PartialResponse:
    """Finish what dead letters are about; report those that have to stay."""
    records: list[Record] = event["Records"]
    letters = [
        DeadLetter(record["messageId"], record["body"], _said(record, _RECEIVED) or 1) for record in records
    ]
    try:
        resolved = resolve_each(services().resolve_dead_letters, letters)
    except RetryableError as fault:
        logger.warning("dead letters put off", reason=fault.message)
        resolved = {letter.message_id: False for letter in letters}
    services().observer.count("DeadLettersResolved", sum(resolved.values()))
    services().observer.flush()
    return _response(records, resolved, lambda: services().received_dead_letters)


def _response(
    records: Sequence[Record], finished: Mapping[str, bool], received: Callable[[], ReceivedMessages]
) -> PartialResponse:
    """Return what has to be delivered again.

    Raises:
        UnfinishedError: Something has to come back, and the mapping takes no partial response.
    """
    if not services().settings.partial_batch_responses:
        settle_whole(received, {each["receiptHandle"]: finished[each["messageId"]] for each in records})
        return {"batchItemFailures": []}
    # All of a batch may have to come again: every order of it may be waiting for the chain.
    unfinished = [message_id for message_id, is_finished in finished.items() if not is_finished]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in unfinished]}


def _tell_presence(records: Sequence[Record]) -> None:
    try:
        sent = [_said(record, _SENT) for record in records]
        services().tell_presence.took(each for each in sent if each is not None)
    except Exception as error:  # noqa: BLE001  # the batch is done: none of it may come back for this
        logger.warning("consumer not noted", reason=str(error))


def _consume(records: Sequence[Record]) -> dict[str, bool]:
    """Return for each message, by id, whether it has done its work."""
    finished = {record["messageId"]: False for record in records}
    ours = {record["messageId"]: received for record in records if (received := _received(record))}
    if unreadable := [record["receiptHandle"] for record in records if record["messageId"] not in ours]:
        services().queue.retry_in(dict.fromkeys(unreadable, UNREADABLE_AGAIN_S))
    try:
        done = services().consume_messages.consume([*ours.values()]) if ours else ()
    except RetryableError as fault:
        # As when a secret cannot be read: nothing was begun, and the queue brings all of it back.
        logger.warning("batch put off", reason=fault.message)
    else:
        finished.update(zip(ours, done, strict=True))
    return finished


def _received(record: Record) -> Received | None:
    count = _said(record, _RECEIVED) or _RECEIVED_UNSAID
    try:
        message = parse_message(record["body"])
        # What is sent back from the dead letters is counted anew, and was worked on before all the same.
        deliveries = max(2, count) if _is_sent_back(record, message) else count
        return Received(message, record["receiptHandle"], deliveries)
    except UnreadableMessageError as error:
        # Reported as unfinished until the queue moves it to the dead letters, where it is archived.
        message_id, reason = record["messageId"], str(error)
        logger.warning("message not ours", message_id=message_id, receive_count=count, reason=reason)
        return None


def _is_sent_back(record: Record, message: Message) -> bool:
    """Return whether an order's message was put into the queue long after the order was accepted."""
    if not isinstance(message, OrderMessage):
        return False
    sent_ms = _said(record, _SENT) or 0
    return sent_ms / 1000 - message.order.accepted_at.timestamp() > SENT_BACK_AFTER_S


def _said(record: Record, name: str) -> int | None:
    """Return a number that the queue says of a message; None if it says none, as another than SQS may."""
    try:
        number = int(record["attributes"][name])
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < _END_OF[name] else None
