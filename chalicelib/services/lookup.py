"""Looking up what was accepted a moment ago: it may be in the queue still, and not on record yet."""

from collections.abc import Callable
from typing import Final, TypeVar

from chalicelib.domain.errors import NotFoundError
from chalicelib.services.ports import Clock

_POLL_S: Final = 0.05

Found = TypeVar("Found")


def found_in_time(look: Callable[[], Found | None], clock: Clock, *, wait_s: float) -> Found:
    """Return what ``look`` finds, asking again for a little while.

    An order that another account has takes as long as one that nobody has.

    Raises:
        NotFoundError: Nothing was found within ``wait_s``.
    """
    waited = 0.0
    while (found := look()) is None:
        if waited >= wait_s:
            raise NotFoundError
        clock.sleep(_POLL_S)
        waited += _POLL_S
    return found
