"""Work that may overlap with the next step, in the order it was given, and done before an invocation ends."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol


class Background(Protocol):
    def run(self, work: Callable[[], None]) -> None:
        """Do this after whatever was given before it."""
        ...

    def wait(self) -> None:
        """Return when all of it is done; raise what any of it raised."""
        ...


class ThreadBackground:
    """One thread, so that frames leave in the order of their commits while the next step runs.

    A Lambda freezes once its handler returns: ``wait`` must come before that.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._given: list[Future[None]] = []

    def run(self, work: Callable[[], None]) -> None:
        self._given.append(self._executor.submit(work))

    def wait(self) -> None:
        given, self._given = self._given, []
        wait(given)
        for each in given:
            each.result()


class Inline:
    """Everything at once, in the caller's thread: for tests and single steps."""

    def run(self, work: Callable[[], None]) -> None:
        work()

    def wait(self) -> None:
        return None
