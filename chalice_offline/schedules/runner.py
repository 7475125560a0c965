"""Invoke functions on their schedules, as EventBridge rules would.

As there, a run that takes longer than the interval overlaps the next, and one that fails is tried twice more,
with the same event, as Lambda's asynchronous invocations are. Runs missed while the machine slept are not
made up for, and where the clock is set back the next run is reckoned anew.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from chalice_offline.invocation import RETRIES_S, Functions, Returned
from chalice_offline.project.functions import ScheduleTrigger
from chalice_offline.schedules.expressions import Schedule, parse_schedule
from chalice_offline.supervision import keep_going, spawn

SET_BACK_S: Final = 60.0
"""By less a clock is corrected without a word, and no run is late by more for it."""


class Time(Protocol):
    """What passes between two runs."""

    def now(self) -> datetime: ...

    def elapsed_s(self) -> float:
        """Return seconds that no setting of the clock changes, from any moment on."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemTime:
    """Real time."""

    def now(self) -> datetime:
        return utc_now()

    def elapsed_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ScheduleRunner:
    """All schedules of an app. What a run returns is not looked at;
    failures are in the function's log.
    """

    def __init__(
        self,
        triggers: Sequence[ScheduleTrigger],
        functions: Functions,
        *,
        region: str,
        account: str,
        runs_at_start: bool,
        retries_s: Sequence[float] = RETRIES_S,
        time: Time | None = None,
    ) -> None:
        self._schedules = [
            (trigger.function_name, parse_schedule(trigger.expression)) for trigger in triggers
        ]
        self._functions = functions
        self._region = region
        self._account = account
        self._runs_at_start = runs_at_start
        self._retries_s = retries_s
        self._time = time or SystemTime()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        for function_name, schedule in self._schedules:
            if self._runs_at_start:
                spawn(function_name, self._fire(function_name, utc_now()), self._tasks)
            self._tasks.add(
                keep_going(f"schedule-{function_name}", partial(self._keep, function_name, schedule))
            )

    async def stop(self) -> None:
        """Fire no more; runs that have begun are the host's to finish."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, function_name: str, schedule: Schedule) -> None:
        since = self._time.now()
        while (due := schedule.next_after(since)) is not None:
            if set_back := await self._set_back_before(due):
                # A rate keeps its distance, and nothing runs for moments that have passed by either time.
                since -= set_back
                now = self._time.now()
                if (first := schedule.next_after(since)) is not None and first <= now:
                    since = now
                continue
            spawn(function_name, self._fire(function_name, due), self._tasks)
            after = self._time.now()
            since = max(due, after) if (after - due).total_seconds() > 1 else due

    async def _set_back_before(self, due: datetime) -> timedelta:
        """Wait for a moment; return at once by how much the clock is set back, should that happen.

        In short steps: the wall clock may be set, and a laptop may sleep.
        """
        began, began_s = self._time.now(), self._time.elapsed_s()
        while (left_s := (due - (now := self._time.now())).total_seconds()) > 0:
            set_back_s = self._time.elapsed_s() - began_s - (now - began).total_seconds()
            if set_back_s > SET_BACK_S:
                return timedelta(seconds=set_back_s)
            await self._time.sleep(min(left_s, 30.0))
        return timedelta()

    async def _fire(self, function_name: str, due: datetime) -> None:
        event = scheduled_event(function_name, due, region=self._region, account=self._account)
        for pause_s in (*self._retries_s, None):
            outcome = await self._functions.invoke(function_name, event)
            if pause_s is None or isinstance(outcome, Returned):
                return
            await asyncio.sleep(pause_s)


def utc_now() -> datetime:
    return datetime.now(UTC)


def scheduled_event(rule_name: str, due: datetime, *, region: str, account: str) -> dict[str, Any]:
    """Return EventBridge's event for a scheduled rule.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{account}:rule/{rule_name}"],
        "detail": {},
    }
