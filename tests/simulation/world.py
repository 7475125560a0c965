"""Where every call to the outside goes through: it takes time, and anything may go wrong with it."""

from collections.abc import Callable, Sized
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final, TypeVar, cast

from chalicelib.domain.errors import RetryableError, UnansweredError
from chalicelib.domain.progress import Claims
from chalicelib.domain.transactions import ChainView
from tests.simulation.dice import Weather
from tests.simulation.scheduler import Killed, Scheduler

Result = TypeVar("Result")
Port = TypeVar("Port")

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
TIME_LIMITS_S: Final = {"record": 5.0, "queue": 60.0, "chain": 5.0, "venue": 1.0, "gateway": 2.0}
"""How long the adapters wait for an answer; beyond an invocation's own limit the process dies first."""


class World:
    """Time, dice, weather and the trace of one run."""

    def __init__(self, scheduler: Scheduler, dice: Random, weather: Weather) -> None:
        self.scheduler = scheduler
        self.dice = dice
        self.weather = weather
        self.trace: list[str] = []

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.scheduler.now_s)

    def elapsed_s(self) -> float:
        return self.scheduler.now_s

    def sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)

    @property
    def is_stormy(self) -> bool:
        return self.scheduler.now_s < self.weather.until_s

    def happens(self, rate: float) -> bool:
        return rate > 0 and self.is_stormy and self.dice.random() < rate

    def note(self, who: str, what: str) -> None:
        self.trace.append(f"{self.scheduler.now_s:10.3f}  {who:<14} {what}")

    def call(self, part: str, name: str, effect: Callable[[], Result]) -> Result:
        """Do I/O for the running task: late, not at all, without an
        answer, or as the last thing its process does.

        Raises:
            RetryableError: It took no effect.
            UnansweredError: Nothing is said about whether it took effect.
            Killed: The process died.
        """
        who = self.scheduler.current.group.name
        self._take_time()
        self._maybe_crash(who, "before", part, name)
        if self.weather.is_out(part, self.scheduler.now_s) or self.happens(self.weather.before):
            self.note(who, f"{part}.{name} refused")
            raise RetryableError(f"{part} is unreachable")
        if self.happens(self.weather.hang / 2):
            self._hang(who, f"{part}.{name} hangs", part)
        result = effect()
        self.note(who, f"{part}.{name} -> {_short(result)}")
        self._maybe_crash(who, "after", part, name)
        if self.happens(self.weather.hang / 2):
            self._hang(who, f"{part}.{name} took effect and hangs", part)
        self._take_time()
        if self.happens(self.weather.after):
            self.note(who, f"{part}.{name} not answered")
            raise UnansweredError(f"{part} did not answer")
        return result

    def port(self, part: str, target: Port) -> Port:
        """Return a port whose every method is such a call."""
        return cast("Port", _SimulatedPort(self, part, target))

    def _hang(self, who: str, what: str, part: str) -> None:
        self.note(who, what)
        self.sleep(TIME_LIMITS_S[part])
        raise UnansweredError(f"{part} did not answer in time")

    def _maybe_crash(self, who: str, when: str, part: str, name: str) -> None:
        if self.happens(self.weather.crash):
            self.note(who, f"CRASH: {who} {when} {part}.{name}")
            self.scheduler.kill(self.scheduler.current.group)
            raise Killed

    def _take_time(self) -> None:
        slowest_ms = self.weather.slow_ms if self.is_stormy else 1.0
        self.sleep(self.dice.random() * slowest_ms / 1000)


class _SimulatedPort:
    def __init__(self, world: World, part: str, target: object) -> None:
        self._world = world
        self._part = part
        self._target = target

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return lambda *args, **kwargs: self._world.call(self._part, name, partial(method, *args, **kwargs))


def _short(result: object) -> str:
    match result:
        case None | bool() | int() | str():
            return repr(result)
        case Claims():
            return f"{len(result.claimed)} claimed, {len(result.busy)} busy, {len(result.final)} final"
        case ChainView():
            return (
                f"height {result.height}: "
                f"{', '.join(each.signature_status for each in result.statuses.values())}"
            )
        case Sized():
            return f"{len(result)} of {type(result).__name__}"
    return type(result).__name__
