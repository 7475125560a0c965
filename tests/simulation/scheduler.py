"""Tasks in simulated time, one at a time, each running until it waits: the same seed gives the same order.

A task is a greenlet, so the code under test is the real one, plain and synchronous: it waits wherever
it would do I/O. Tasks belong to a group, which stands for one run of a process: a killed group takes
no further step, whatever its ``finally`` blocks would like to do.
"""

import heapq
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

Result = TypeVar("Result")
P = ParamSpec("P")


class Killed(BaseException):
    """The process of the running task has ended; no handler of the code under test may catch this."""


@dataclass(eq=False)
class Group:
    """One run of a process: its tasks live and die together."""

    name: str
    is_dead: bool = False
    tasks: "list[Task]" = field(default_factory=list)


@dataclass(eq=False)
class Task:
    """One thread of a process."""

    group: Group
    thread: greenlet
    is_done: bool = False
    awaits: int = 0  # which wait it is in; a wake-up for an earlier one is stale


class Scheduler:
    """Simulated time, and whose turn it is."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._until_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._counter = 0
        self._current: Task | None = None
        self._hub: Final = getcurrent()

    @property
    def current(self) -> Task:
        assert self._current is not None, "only a task can wait"
        return self._current

    def at(self, time_s: float, what: Callable[[], None]) -> None:
        """Do something at a moment; what is due at the same moment is done in the order it was asked for."""
        self._counter += 1
        heapq.heappush(self._due, (max(time_s, self.now_s), self._counter, what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now_s + seconds, what)

    def run_until(self, time_s: float) -> None:
        """Do everything that is due up to a moment."""
        self._until_s = time_s
        while self._due and self._due[0][0] <= time_s:
            self.now_s, _, what = heapq.heappop(self._due)
            what()
        self.now_s = time_s

    def spawn(self, group: Group, work: Callable[[], None]) -> Task:
        """Start a task of a group; an error of the work ends the simulation."""

        def run() -> None:
            try:
                work()
            except Killed:
                pass
            finally:
                task.is_done = True

        task = Task(group, greenlet(run, parent=self._hub))
        group.tasks.append(task)
        self.after(0, lambda: self._resume(task, task.awaits))
        return task

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass for the running task. Raises ``Killed`` if its process ends meanwhile."""
        task = self.current
        self._check_alive(task)
        until_s = self.now_s + seconds
        if until_s <= self._until_s and (not self._due or until_s < self._due[0][0]):
            # Nothing else is due before: it would be this task's turn again.
            self.now_s = until_s
            return
        awaits = task.awaits + 1
        self.after(seconds, lambda: self._resume(task, awaits))
        self._park(task)

    def wait_until(self, is_true: Callable[[], bool], poll_s: float = 0.01) -> None:
        """Let simulated time pass until something holds."""
        while not is_true():
            self.sleep(poll_s)

    def kill(self, group: Group) -> None:
        """End a process between two steps of its tasks;
        a task that does so to its own must then wait or raise.
        """
        group.is_dead = True
        for task in group.tasks:
            if not task.is_done and task is not self._current:
                self.after(0, partial(self._resume_now, task))

    def _park(self, task: Task) -> None:
        task.awaits += 1
        self._hub.switch()
        self._check_alive(task)

    def _check_alive(self, task: Task) -> None:
        if task.group.is_dead:
            raise Killed

    def _resume_now(self, task: Task) -> None:
        self._resume(task, task.awaits)

    def _resume(self, task: Task, awaits: int) -> None:
        if task.is_done or task.awaits != awaits:
            return
        self._current = task
        try:
            task.thread.switch()
        finally:
            self._current = None


class SimulatedBackground:
    """``Background`` as a thread of the process: what it is given overlaps with the next step."""

    def __init__(self, scheduler: Scheduler, group: Group) -> None:
        self._scheduler = scheduler
        self._group = group
        self._given: deque[Callable[[], None]] = deque()
        self._later: list[Callable[[], None]] = []
        self._error: Exception | None = None
        self._is_busy = False

    def run(self, work: Callable[[], None]) -> None:
        self._given.append(work)
        if not self._is_busy:
            self._is_busy = True
            self._scheduler.spawn(self._group, self._work)

    def run_within(self, seconds: float, work: Callable[[], None]) -> None:
        if work not in self._later:
            self._later.append(work)
            # If it was waited for and waits anew by then, it comes too early, which is as good.
            self._scheduler.after(seconds, lambda: self._run_later(work))

    def wait(self) -> None:
        while self._later or self._is_busy:
            for work in list(self._later):
                self._run_later(work)
            self._scheduler.wait_until(lambda: not self._is_busy)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run_later(self, work: Callable[[], None]) -> None:
        if work in self._later and not self._group.is_dead:
            self._later.remove(work)
            self.run(work)

    def _work(self) -> None:
        try:
            while self._given:
                try:
                    self._given.popleft()()
                except Exception as error:  # noqa: BLE001  # ``wait`` raises it, whatever it is
                    self._error = self._error or error
        finally:
            self._is_busy = False


class SimulatedExecutor(Executor):
    """A thread pool of the process; its futures wait in simulated time."""

    def __init__(self, scheduler: Scheduler, group: Group) -> None:
        self._scheduler = scheduler
        self._group = group

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        future: SimulatedFuture[Result] = SimulatedFuture(self._scheduler)

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001  # a future hands every error to its reader
                future.set_exception(error)

        self._scheduler.spawn(self._group, work)
        return future


class SimulatedFuture(Future[Result]):
    """A future whose ``result`` lets simulated time pass."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler: Any = scheduler

    def result(self, timeout: float | None = None) -> Result:
        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True

        if timeout is not None and not self.done():
            self._scheduler.after(timeout, end)
        self._scheduler.wait_until(lambda: self.done() or is_over)
        return super().result(None if timeout is None else 0)
