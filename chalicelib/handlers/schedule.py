"""What runs by the clock."""

from typing import Final

from chalicelib.adapters.time_left import time_left
from chalicelib.bootstrap import services
from chalicelib.bootstrap.archiving import archiver_of
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.wire.json_text import JsonObject

MATCHING_S: Final = 58.0
"""Of each minute. What is left before the next run must be less than a gap in a mark's history, which would
have every confirmation that spans two runs start anew.
"""


def match_prices() -> JsonObject:
    """Look at the prices each second of this minute while an order waits for one, and once if none does,
    unless the settings have it go on.

    Returns how many orders were ``fired``, and of how many the message is ``unsent``; ``done`` is False, with
    the ``reason``, if nothing could be looked at.
    """
    observer = services().observer
    try:
        when_idle = services().settings.watches_when_idle
        found = services().price_looks.run(MATCHING_S, time_left.has, when_idle=when_idle)
        result: JsonObject = {"done": True, "fired": found.fired, "unsent": found.unsent}
        if found.without_mark:
            observer.count("MarksMissing", found.without_mark)
    except RetryableError as fault:
        logger.warning("matching put off", reason=fault.message)
        observer.count("MatchesPutOff")
        result = {"done": False, "reason": fault.message}
    observer.flush()
    return result


def archive_orders() -> JsonObject:
    """Move what ended long ago out of the record, until nothing is left or the time is up.

    Returns how many orders were ``archived``, how many ``refused`` since they are not what was written, and
    how many the record has ``forgotten``; ``done`` is False, with the ``reason``, if the record or the
    archive could not be reached. Without ``ARCHIVE_URL`` nothing is archived by the clock.
    """
    use = services()
    if not use.settings.archive_url:
        return {"done": True, "archived": 0, "refused": 0}
    try:
        moved = archiver_of(use.settings, use.engine).run(time_left.has)
        result: JsonObject = {"done": True, "archived": moved.orders, "refused": moved.refused}
        result |= {"forgotten": moved.forgotten, "folded": moved.folded}
        if moved.refused:
            use.observer.count("OrdersNotArchived", moved.refused)
    except RetryableError as fault:
        logger.warning("archiving put off", reason=fault.message)
        use.observer.count("ArchivingPutOff")
        result = {"done": False, "reason": fault.message}
    use.observer.flush()
    return result


def sweep() -> JsonObject:
    """Sweep until nothing is left or this minute is over.

    Returns ``done``, and the ``reason`` if it is not, for an operator who invokes it by hand.

    A passing fault puts it off to the next run, with one log line and a metric that an alarm watches.
    """
    observer = services().observer
    try:
        services().sweep.run(time_left.has)
        result: JsonObject = {"done": True}
    except RetryableError as fault:
        logger.warning("sweep put off", reason=fault.message)
        observer.count("SweepsPutOff")
        result = {"done": False, "reason": fault.message}
    observer.flush()
    return result
