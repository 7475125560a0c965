"""Orders that end while a message is on its way which was to wake them at their end, or at their next look.

That message finds them ended, and publishes what is not known to have been published: an end is not noted as
that, since nothing comes after it. Of these orders it is, so that their last events are published once.
"""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.progress import Published, Transition
from chalicelib.logs import logger
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.ports import OrderRecord
from chalicelib.services.resting.watcher import ENDS_SOON_S


def reminded(recorded: Sequence[Transition], now: datetime) -> list[Published]:
    """Return what is to be noted of some transitions once their events have been published."""
    return [
        Published(each.state.order.order_id, each.claimed.state.published_seq, each.state.seq)
        for each in recorded
        if each.state.is_final and each.state.order.terms.may_rest and _may_be_on_its_way(each, now)
    ]


def note_reminded(record: OrderRecord, batch: Batch) -> None:
    """Note what a batch has published of such orders. Best effort: what is not noted is told once more."""
    published = [each for each in batch.reminded if each.order_id not in batch.unpublished]
    try:
        if published:
            record.note_published(published)
    except RetryableError as fault:
        logger.warning("publishing not noted", orders=len(published), reason=fault.message)


def _may_be_on_its_way(transition: Transition, now: datetime) -> bool:
    order = transition.state.order
    if order.terms.sniper is not None:
        return True
    return order.valid_until is not None and (order.valid_until - now).total_seconds() < ENDS_SOON_S
