"""Batches of which the queue's event source mapping knows only success or failure.

It deletes all messages of a batch that succeeds, and none of one that fails. So what is finished is deleted
here, and a batch of which anything is left fails: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from collections.abc import Callable, Mapping

from chalicelib.logs import logger
from chalicelib.services.ports import ReceivedMessages


class UnfinishedError(Exception):
    """A message has not done its work yet and must be delivered again."""


def settle_whole(received: Callable[[], ReceivedMessages], finished: Mapping[str, bool]) -> None:
    """Return if the batch is finished; else delete what is, and fail.

    Args:
        received: Finds the queue; asked only if something of it is to be deleted.
        finished: By receipt handle, whether a message has done its work. One that is not deleted although it
            has is delivered again, which a finished message survives.

    Raises:
        UnfinishedError: The rest has to be delivered again.
    """
    unfinished = sum(not each for each in finished.values())
    if not unfinished:
        return
    done = [handle for handle, is_finished in finished.items() if is_finished]
    try:
        if done:
            received().delete(done)
    except Exception:  # noqa: BLE001  # without the error below, the mapping would delete all of the batch
        logger.exception("finished messages not deleted", count=len(done))
    raise UnfinishedError(f"{unfinished} of {len(finished)} messages come again")
