"""What is known of a request that was sent more than once.

A lost answer leaves open whether that try was carried out, and most refusals of a later one say nothing of
it: a token may have expired, or a limit been reached, since.
"""

from enum import Enum, auto

from orderflow_client.errors import (
    ClientOrderIdConflictError,
    DisconnectedError,
    NotFoundError,
    OrderflowError,
    RefusedError,
    UnknownOutcomeError,
    passes,
)


class Effect(Enum):
    """What it does to send a request once more."""

    NOTHING = auto()
    """It only reads."""
    SAME = auto()
    """Nothing beside what the first one did, so it is sent until its outcome is known."""
    ANOTHER = auto()
    """It acts again, so it is never sent again after its outcome was unknown."""


# An account that has no such order had none before, and other terms under a key are not what was sent.
_OF_EVERY_TRY = (NotFoundError, ClientOrderIdConflictError)


class Tries:
    """One request's tries; ``unknown`` is the last of which nothing is known, if there is one."""

    def __init__(self, effect: Effect, unknown: UnknownOutcomeError | None = None) -> None:
        self._effect = effect
        self.unknown = unknown

    def may_follow(self, error: OrderflowError) -> bool:
        """Return whether to send the request again after this, which is remembered."""
        if isinstance(error, UnknownOutcomeError):
            self.unknown = error
            return self._effect is not Effect.ANOTHER
        return isinstance(error, DisconnectedError) or (isinstance(error, RefusedError) and passes(error))

    def failed(self, error: OrderflowError) -> OrderflowError:
        """Return what is to be told of all tries where this is the last one's error.

        An ``UnknownOutcomeError`` if an earlier one may have been carried out; its cause is the last one's.
        """
        is_of_all = self._effect is Effect.NOTHING or isinstance(error, _OF_EVERY_TRY)
        if self.unknown is None or error is self.unknown or is_of_all:
            return error
        told = UnknownOutcomeError(f"{self.unknown}; then: {error}", order_id=self.unknown.order_id)
        told.__cause__ = error
        return told
