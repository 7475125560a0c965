"""Threads that outlive the tests that started them.

Such a thread works on while other tests run: it takes processor time, prints, and draws from the global
``random`` (as a WebSocket's keepalive does for each ping), which fails a property test of another part.
"""

import gc
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, Self

import pytest

from chalicelib.services.delivery import background

_PATIENCE_S: Final = 30.0
"""For a thread that has been told to end: how soon it does says how busy the machine is."""


def left_behind(known: Collection[threading.Thread]) -> list[str]:
    """Return the names of the threads that are neither known nor about to end."""
    if not _others(known):
        return []
    gc.collect()  # an executor that nothing refers to any more ends its threads when it is collected
    deadline = time.monotonic() + _PATIENCE_S
    for thread in _others(known):
        thread.join(max(0.0, deadline - time.monotonic()))
    return sorted(thread.name for thread in _others(known))


@contextmanager
def ended_backgrounds() -> Iterator[None]:
    """End the background thread of each wiring that is made meanwhile, as Lambda ends it with its process."""
    made: list[_EndedBackground] = []

    class Noted(_EndedBackground):
        def __new__(cls) -> Self:
            made.append(one := super().__new__(cls))
            return one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "ThreadBackground", Noted)
        yield
    for one in made:
        one.end()


class _EndedBackground(background.ThreadBackground):
    def end(self) -> None:
        if self._thread is not None:
            self.run(_leave)

    def _work(self) -> None:
        try:
            super()._work()
        except SystemExit:
            return


def _leave() -> None:
    raise SystemExit


def _others(known: Collection[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in known]
