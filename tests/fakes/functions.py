"""What fakes of the Lambda host share."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from chalice_offline.invocation import ANY_CALLER, Caller, OnEnd, Outcome


class FakeHost(ABC):
    """Has ``begin``, of ``chalice_offline.invocation.Functions``, do what ``invoke`` does, in a task."""

    def __init__(self) -> None:
        self._begun: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome: ...

    def begin(
        self,
        function_name: str,
        event: Mapping[str, Any],
        on_end: OnEnd,
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> None:
        async def run() -> None:
            on_end(await self.invoke(function_name, event, timeout_s=timeout_s, caller=caller))

        task = asyncio.get_running_loop().create_task(run())
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
