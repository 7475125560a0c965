"""What runs by the clock."""

from chalicelib.bootstrap import services
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.wire.json_text import JsonObject


def sweep() -> JsonObject:
    """Run the sweep once; return ``done``, and the ``reason`` if it is not, for an operator who invokes
    it by hand.

    A passing fault puts it off to the next run, with one log line and a metric that an alarm watches.
    """
    observer = services().observer
    try:
        services().sweep.run()
        result: JsonObject = {"done": True}
    except RetryableError as fault:
        logger.warning("sweep put off", reason=fault.message)
        observer.count("SweepsPutOff")
        result = {"done": False, "reason": fault.message}
    observer.flush()
    return result
