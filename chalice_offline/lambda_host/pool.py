"""The execution environments of one function: the warmest is reused first, callers wait their turn."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalice_offline.invocation import ANY_CALLER, OnEnd, Outcome, Raised, Waiter
from chalice_offline.lambda_host.environment import Environment
from chalice_offline.lambda_host.turns import Turns, Waiting
from chalice_offline.supervision import fail, spawn, tell

_STOPPED = Raised("Runtime.Stopped", "the local runtime is stopping")
_DROPPED = Raised("Runtime.Dropped", "the caller left before the invocation began")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many environments a function may have; a strict limit counts those that run replaced code, too."""

    environments: int
    is_strict: bool = False


class Pool:
    """Bounded environments of one function.

    A caller takes the first environment that is free, whether it was started for that
    caller or another invocation has just left it: Lambda would make it wait for its own,
    but a cold start is slower here than there.
    """

    def __init__(self, new_environment: Callable[[], Environment], limit: Limit) -> None:
        self._new_environment = new_environment
        self._limit = limit
        # Every environment that has started, with the generation of code it runs.
        self._members: dict[Environment, int] = {}
        self._generation = 0
        # Those that have yet to, likewise.
        self._starting: dict[Environment, int] = {}
        self._idle: list[tuple[float, Environment]] = []
        self._waiting = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._is_held = False

    def pids(self) -> list[int]:
        return [environment.pid for environment in self._members]

    async def warm_up(self) -> None:
        """Start one environment ahead of its first caller."""
        has_one = self._generation in {*self._members.values(), *self._starting.values()}
        if not has_one and self._has_room() and not self._is_closed:
            await self._start_one(self._new_one())

    def begin(self, event: Mapping[str, Any], on_end: OnEnd, caller: Waiter = ANY_CALLER) -> None:
        """Run the function in the next free environment, as soon as there is one;
        ``on_end`` hears the outcome.
        """
        if self._is_closed:
            on_end(_STOPPED)
            return
        while self._idle:
            _, environment = self._idle.pop()
            if environment.is_alive:
                self._begin_in(environment, event, on_end)
                return
            self._background(self._discard(environment))
        self._waiting.put(Waiting(event, on_end, caller))
        self._start_for_waiting()

    async def retire_idle(self, before: float, *, keeps_one: bool = True) -> None:
        """End environments idle since before that loop time, all but the most recent if one is kept."""
        known = self._idle[:-1] if keeps_one else self._idle
        retired = {environment for since, environment in known if since < before}
        self._idle = [entry for entry in self._idle if entry[1] not in retired]
        await asyncio.gather(*(self._discard(environment) for environment in retired))

    def hold(self) -> None:
        """Start no more of them until they are replaced, as long as there is one."""
        self._is_held = True

    async def replace(self, new_environment: Callable[[], Environment], limit: Limit) -> bool:
        """Use new code from the next invocation on: environments that are idle or still import the old code
        end now, busy ones when they are free. Return whether there were any of the former.
        """
        self._new_environment = new_environment
        self._limit = limit
        self._generation += 1
        self._is_held = False
        self._give_up_starting()
        is_wanted = bool(self._idle or self._starting)
        idle = [environment for _, environment in self._idle]
        self._idle.clear()
        await asyncio.gather(*(self._discard(environment) for environment in idle))
        self._start_for_waiting()
        return is_wanted

    async def close(self) -> None:
        """End every environment; callers still waiting get an error."""
        self._is_closed = True
        while self._waiting:
            self._refuse_next(_STOPPED)
        self._give_up_starting()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._discard(environment) for environment in list(self._members)))

    def _begin_in(self, environment: Environment, event: Mapping[str, Any], on_end: OnEnd) -> None:
        try:
            environment.begin(event, partial(self._ended, environment, on_end))
        except Exception as error:  # noqa: BLE001  # the caller must hear, and the environment is not to blame
            fail("beginning an invocation", error)
            self._ended(
                environment, on_end, Raised("Runtime.InvalidEvent", f"{type(error).__name__}: {error}")
            )

    def _ended(self, environment: Environment, on_end: OnEnd, outcome: Outcome) -> None:
        tell("reusing an environment", self._give_back, environment)
        on_end(outcome)

    def _give_back(self, environment: Environment) -> None:
        """Hand an environment to the first who waits, else keep it warm;
        end it if it is dead or runs old code.
        """
        if not environment.is_alive or self._members.get(environment) != self._generation or self._is_closed:
            self._background(self._discard(environment))
        elif (waiting := self._next_wanted()) is not None:
            self._begin_in(environment, waiting.event, waiting.on_end)
        else:
            self._idle.append((asyncio.get_running_loop().time(), environment))

    def _next_wanted(self) -> Waiting | None:
        """Return whose turn it is; what no caller waits for any more is passed over."""
        while (waiting := self._waiting.next()) is not None and not waiting.caller.still_waits():
            waiting.on_end(_DROPPED)
        return waiting

    def _refuse_next(self, why: Raised) -> None:
        waiting = self._waiting.next()
        if waiting is not None:
            waiting.on_end(why)

    def _start_for_waiting(self) -> None:
        while len(self._waiting) > self._current(self._starting) and self._has_room():
            self._background(self._start_one(self._new_one()))

    def _has_room(self) -> bool:
        """Return whether there may be one more. What hangs in old code is in the way of new code only where
        the limit is strict.
        """
        if self._is_held and self._current(self._members):
            return False
        if self._limit.is_strict:
            return len(self._members) + len(self._starting) < self._limit.environments
        return self._current(self._members) + self._current(self._starting) < self._limit.environments

    def _current(self, environments: Mapping[Environment, int]) -> int:
        """Return how many of them have the code that is to run now."""
        return sum(generation == self._generation for generation in environments.values())

    def _new_one(self) -> Environment:
        environment = self._new_environment()
        self._starting[environment] = self._generation
        return environment

    def _give_up_starting(self) -> None:
        for environment in self._starting:
            environment.give_up()

    async def _start_one(self, environment: Environment) -> None:
        """Start an environment that is among those that start."""
        generation = self._starting[environment]
        try:
            failure = await environment.start()
        except OSError as error:
            failure = Raised("Runtime.StartFailed", f"no process for the function: {error}")
        except asyncio.CancelledError:
            await environment.kill()
            raise
        except Exception as error:  # noqa: BLE001  # who waits for it must hear, whatever it is
            fail("starting an environment", error)
            await environment.kill()
            failure = Raised("Runtime.StartFailed", f"{type(error).__name__}: {error}")
        finally:
            del self._starting[environment]
        self._members[environment] = generation
        if failure is None:
            self._give_back(environment)
            return
        # As on Lambda, the invocation that caused the start reports why it failed; the next tries again.
        # Of code that has been replaced meanwhile, no failure is of interest.
        if generation == self._generation:
            self._refuse_next(failure)
        await self._discard(environment)

    async def _discard(self, environment: Environment) -> None:
        try:
            await environment.close()
        except Exception as error:  # noqa: BLE001  # it would cost the function one of its environments for good
            fail("ending an environment", error)
        # One whose end was canceled stays a member: it has yet to be ended.
        self._members.pop(environment, None)
        if not self._is_closed:
            self._start_for_waiting()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        spawn("environments", work, self._tasks)
