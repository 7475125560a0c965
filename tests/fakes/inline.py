"""Threads that are none: everything is done when it is given, so that a test sees it done."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar
from uuid import UUID

from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order

P = ParamSpec("P")
Result = TypeVar("Result")


class InOneThread(Executor):
    """Does each piece of work when it is given."""

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # a future hands every error to its reader
            future.set_exception(error)
        return future


class InlineBackground:
    """``Background`` without a thread; what may be done later is done when it is waited for."""

    def __init__(self) -> None:
        self._later: list[Callable[[], None]] = []
        self._error: Exception | None = None

    def run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # ``wait`` raises it, whatever it is
            self._error = self._error or error

    def run_within(self, seconds: float, work: Callable[[], None]) -> None:
        del seconds
        if work not in self._later:
            self._later.append(work)

    def wait(self) -> None:
        while self._later:
            self.run(self._later.pop(0))
        error, self._error = self._error, None
        if error is not None:
            raise error


class Unobserved:
    """An observer that notes nothing."""

    def saw(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> None:
        """Look away."""
