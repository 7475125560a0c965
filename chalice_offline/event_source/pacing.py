"""When to ask the queue next: at once when something hints at messages, with long polls when nothing does.

Real pollers are many and always waiting. Here a receive costs a few milliseconds of a laptop's
core and a long poll notices a message only after about 0.1 s, so the mapping polls shortly after
every hint (an invocation ended, messages came) and otherwise waits in long polls. All times are
seconds on any steadily rising clock.
"""

from typing import Final

from chalice_offline.backoff import Doubling

# After a hint: receives at once, then ever rarer, for as long as a sender may lag behind the hint.
_PAUSES_S: Final = (0.0, 0.005, 0.015, 0.05)
# A hint after which nothing came makes the mapping deaf to further ones, each time for twice as long.
_DEAF_S: Final = 0.001
_DEAF_MAX_S: Final = 0.25
_BACK_OFF_S: Final = 0.1
_BACK_OFF_MAX_S: Final = 5.0


class Pacing:
    """The rhythm of one mapping's receives."""

    def __init__(self) -> None:
        self._next_pause = 0
        self._deafness = Doubling(_DEAF_S, _DEAF_MAX_S)
        self._deaf_until = 0.0
        self._back_off = Doubling(_BACK_OFF_S, _BACK_OFF_MAX_S)
        self._not_before = 0.0

    def is_idle(self) -> bool:
        """Return whether every hint is used up, so that a long poll is due."""
        return self._next_pause >= len(_PAUSES_S)

    def hinted(self, now: float) -> bool:
        """Note that messages may have been sent; False if hints
        were wrong so often that this one is not heeded.

        Every function that ends is a hint to every mapping, and most functions never send to most queues.
        """
        if now < self._deaf_until:
            return False
        self._deaf_until = now + self._deafness.take()  # until messages come
        self._next_pause = 0
        return True

    def received_messages(self) -> None:
        """Where some were, there may be more; and the last hint was right."""
        self._next_pause = 0
        self._deafness.reset()
        self._deaf_until = 0.0

    def received_nothing(self) -> None:
        self._next_pause = min(self._next_pause + 1, len(_PAUSES_S))

    def pause_s(self, now: float) -> float:
        """Return how long to wait before the next receive."""
        pause = 0.0 if self.is_idle() else _PAUSES_S[self._next_pause]
        return max(pause, self.back_off_s(now))

    def back_off_s(self, now: float) -> float:
        """Return how long to wait after a failure."""
        return max(0.0, self._not_before - now)

    def succeeded(self) -> None:
        self._back_off.reset()
        self._not_before = 0.0

    def failed(self, now: float) -> None:
        """Back off: doubling from 0.1 s to 5 s while calls or invocations keep failing."""
        self._not_before = now + self._back_off.take()
