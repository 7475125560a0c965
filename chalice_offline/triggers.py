"""What makes functions run besides requests: queues, notices, streams and schedules, as the code has them."""

import asyncio
from collections.abc import Callable, Sequence

from chalice_offline.event_source.mapping import EventSourceMapping
from chalice_offline.event_source.stream import StreamMapping
from chalice_offline.invocation import Functions
from chalice_offline.project.functions import (
    NoticeTrigger,
    Project,
    QueueTrigger,
    ScheduleTrigger,
    StreamTrigger,
)
from chalice_offline.schedules.runner import ScheduleRunner
from chalice_offline.supervision import spawn
from chalice_offline.variables import ACCOUNT

Trigger = QueueTrigger | NoticeTrigger | StreamTrigger
Mapping = EventSourceMapping | StreamMapping
NewMapping = Callable[[Trigger, Functions], Mapping]


class Triggers:
    """Polls queues and keeps schedules while there is a project that has them."""

    def __init__(
        self,
        functions: Functions,
        new_mapping: NewMapping,
        *,
        is_fed: bool,
        region: str,
        runs_at_start: bool,
        timeout_s: float,
    ) -> None:
        """Take ``timeout_s`` for the batches of a mapping that is no more.

        Args:
            is_fed: Whether there are queues of notices, and streams, for mappings to read.
        """
        self._functions = functions
        self._new_mapping = new_mapping
        self._is_fed = is_fed
        self._region = region
        self._runs_at_start = runs_at_start
        self._timeout_s = timeout_s
        self._mappings: dict[Trigger, Mapping] = {}
        self._schedules: Sequence[ScheduleTrigger] = ()
        self._runner: ScheduleRunner | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def use(self, project: Project) -> None:
        """Trigger what the project has; what it had before, and has no more, ends."""
        wanted: tuple[Trigger, ...] = project.queues
        if self._is_fed:
            wanted += (*project.notices, *project.streams)
        for trigger in set(self._mappings) - set(wanted):
            mapping = self._mappings.pop(trigger)
            spawn("ending a mapping", mapping.stop(timeout_s=self._timeout_s), self._ending)
        for trigger in wanted:
            if trigger not in self._mappings:
                mapping = self._mappings[trigger] = self._new_mapping(trigger, self._functions)
                if isinstance(mapping, StreamMapping):
                    await mapping.look()
                mapping.start()
        if project.schedules != self._schedules:
            await self._keep(project.schedules)

    async def _keep(self, schedules: Sequence[ScheduleTrigger]) -> None:
        """Keep these schedules; none of them is run because of that, but at the start."""
        if self._runner is not None:
            await self._runner.stop()
        self._schedules = schedules
        self._runner = ScheduleRunner(
            schedules,
            self._functions,
            region=self._region,
            account=ACCOUNT,
            runs_at_start=self._runs_at_start,
        )
        self._runs_at_start = False
        self._runner.start()

    def function_ended(self, function_name: str) -> None:
        """A function has ended, so it may have sent messages: look at once instead of at the next poll."""
        for mapping in self._mappings.values():
            mapping.function_ended(function_name)

    async def stop_schedules(self) -> None:
        if self._runner is not None:
            await self._runner.stop()

    async def stop_mappings(self, *, timeout_s: float) -> None:
        """Receive no more, and let batches in flight finish for so long."""
        await asyncio.gather(*(mapping.stop(timeout_s=timeout_s) for mapping in self._mappings.values()))
        for task in self._ending if timeout_s == 0 else ():
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
