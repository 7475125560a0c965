"""What other services of the emulator tell an app's functions, ready before the app is.

At an endpoint that is not ours nothing is set up: who owns it may have other plans with its buckets.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from chalice_offline.event_source.mapping import MappingSettings
from chalice_offline.event_source.notices import AS_EVENT, TRIES
from chalice_offline.event_source.sqs_client import SqsClient
from chalice_offline.logs import Log
from chalice_offline.notice_sources import NoticeSources, notice_queue, notice_queues
from chalice_offline.project.functions import NoticeTrigger, Project
from chalice_offline.queues import ensure_queues


class Feeds:
    """The services that tell functions something, of one stage at one endpoint.

    Attributes:
        is_there: Whether anything is set up, and mappings have something to read.
    """

    def __init__(
        self,
        sqs: SqsClient,
        endpoint: str,
        aws: Mapping[str, str],
        stage: str,
        log: Log,
        *,
        is_there: bool,
    ) -> None:
        self.is_there: Final = is_there
        self._sqs = sqs
        self._sources = NoticeSources(endpoint, aws, stage)
        self._stage = stage
        self._log = log

    def are_wanted(self, project: Project | None) -> bool:
        """Return whether the project has functions that the emulator is to tell something."""
        return self.is_there and project is not None and bool(project.notices or project.streams)

    async def ensure(self, project: Project | None) -> None:
        """Set up what the project has functions for; what cannot be is named in a warning.

        Raises:
            SqsError, OSError: The emulator does not take the queues.
        """
        if project is None or not self.is_there or not project.notices:
            return
        await ensure_queues(self._sqs, notice_queues(project, self._stage))
        for trigger, reason in await asyncio.to_thread(self._sources.ensure, project):
            self._log.event(
                "warning",
                "tells its function nothing; chalice-offline invoke runs that",
                function=trigger.function_name,
                service=trigger.service,
                source=trigger.source,
                reason=reason,
            )

    async def forget(self, former: Project, project: Project) -> None:
        """Let nothing wait any longer for functions that are no more: should they come back, it is late."""
        names = {queue.name for queue in notice_queues(former, self._stage)} if self.is_there else set()
        for name in names - {queue.name for queue in notice_queues(project, self._stage)}:
            await self._sqs.call("DeleteQueue", {"QueueUrl": await self._sqs.queue_url(name)})


def notice_settings(
    trigger: NoticeTrigger, app_name: str, stage: str, *, concurrency: int
) -> MappingSettings:
    """Return the settings of the mapping that takes a function's notices to it."""
    return MappingSettings(
        function_name=trigger.function_name,
        queue_name=notice_queue(trigger.function_name, app_name, stage),
        batch_size=1,
        concurrency_max=concurrency,
        as_event=AS_EVENT[trigger.service],
        tries_max=TRIES,
    )
