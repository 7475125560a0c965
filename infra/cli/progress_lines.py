"""How far a long command is, where no bar can be drawn: in a file, a pipe or a service's log."""

import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TaskID

EVERY_S: Final = 10.0
"""Between two lines; a command that is done sooner says nothing."""


class ProgressLines(Progress):
    """Draws no bar, and says in a line now and then how far its task is."""

    def __init__(self, console: Console, *, seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console=console, disable=True)
        self._seconds = seconds
        self._said_at = seconds()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        now = self._seconds()
        if now - self._said_at < EVERY_S:
            return
        self._said_at = now
        task = next(each for each in self.tasks if each.id == task_id)
        of_all = "" if task.total is None else f" of {task.total:.0f}"
        self.console.print(f"{task.description}: {task.completed:.0f}{of_all}", highlight=False)
