"""What runs without being awaited: its failures are logged, and what must go on goes on.

An exception in a callback of the event loop reaches no code that could act on it. In a protocol's
``data_received`` it is worse: asyncio closes the connection for it, whatever is to blame. So every task that
is not awaited by its maker starts here, and listeners are called by ``tell``. Failures go to
the loop's exception handler, for which the runtime installs ``Failures``.
``tests/unit/chalice_offline/test_supervision.py`` finds tasks started elsewhere.
"""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from chalice_offline.backoff import Doubling

_RESTART_S: Final = 0.1
_RESTART_MAX_S: Final = 30.0
# Work that went on for so long has recovered: it is restarted at once again.
_STEADY_S: Final = 60.0
# Of failures at one place, one is shown in so long, with the number of the others.
_SHOWN_AGAIN_S: Final = 60.0
_PLACES_MAX: Final = 256

Show = Callable[[str, str, int], None]
"""Called with what failed, the traceback, and how many like it were not shown since the last that was."""


def fail(what: str, error: BaseException) -> None:
    """Hand a failure that nothing awaits to the loop's exception handler."""
    asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})


def tell(what: str, listener: Callable[..., object], *arguments: object) -> None:
    """Call a listener. Should it fail, that is its own failure: the caller, who is not to blame, goes on."""
    try:
        listener(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever it is, it stops here
        fail(what, error)


def spawn(what: str, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Run work beside the caller, in a task that is among those while it runs;
    ``what`` names it if it fails.
    """
    task = asyncio.get_running_loop().create_task(work)
    among.add(task)
    task.add_done_callback(partial(_ended, what, among))
    return task


def keep_going(what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    """Run work until it returns; whenever it fails, begin it anew, ever later while it keeps failing."""
    return asyncio.get_running_loop().create_task(_persist(what, work), name=what)


async def all_of(steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Take one step after the other, also past those that fail.

    Raises:
        ExceptionGroup: What failed.
    """
    errors: list[Exception] = []
    for step in steps:
        try:
            await step()
        except Exception as error:  # noqa: BLE001  # whatever it was, the rest must end too
            errors.append(error)
    if errors:
        raise ExceptionGroup("not everything was stopped in order", errors)


class Deadline:
    """The time that steps share which are taken one after the other."""

    def __init__(self, within_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._at = now() + within_s

    def of(self, stop: Callable[..., Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        """Return a step that gets as ``timeout_s`` what is left when its turn comes."""
        return lambda: stop(timeout_s=max(0.0, self._at - self._now()))


def _ended(what: str, among: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    among.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        fail(what, error)


async def _persist(what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    pause = Doubling(_RESTART_S, _RESTART_MAX_S)
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # as in ``tell``
            fail(what, error)
        else:
            return
        if loop.time() - began > _STEADY_S:
            pause.reset()
        await asyncio.sleep(pause.take())


class Failures:
    """An exception handler for the loop: counts failures, and shows of each kind enough to be noticed.

    A callback that fails does so as often as it is called; a log full of one traceback hides all others.
    """

    def __init__(self, show: Show, now: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._show = show
        self._now = now
        # By place: when the last was shown, and how many were not since.
        self._places: dict[str, tuple[float, int]] = {}

    def __call__(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.count += 1
        what, error = str(context["message"]), context.get("exception")
        place = f"{what} {_place(error)}"
        shown_at, hidden = self._places.pop(place, (None, 0))
        now = self._now()
        if shown_at is not None and now - shown_at < _SHOWN_AGAIN_S:
            self._places[place] = shown_at, hidden + 1
            return
        if len(self._places) >= _PLACES_MAX:
            del self._places[next(iter(self._places))]
        self._places[place] = now, 0
        self._show(what, "".join(traceback.format_exception(error)) if error else "", hidden)


def _place(error: BaseException | None) -> str:
    """Return the kind of an error and the line that raised it."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
        if frames
        else type(error).__name__
    )
