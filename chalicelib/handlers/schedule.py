"""What runs by the clock."""

from chalicelib.bootstrap import services
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger


def sweep() -> None:
    """Run the sweep once.

    A passing fault puts it off to the next run, and is told in one line and a metric that an alarm watches.
    """
    observer = services().observer
    try:
        services().sweep.run()
    except RetryableError as fault:
        logger.warning("sweep put off", reason=fault.message)
        observer.count("SweepsPutOff")
    observer.flush()
