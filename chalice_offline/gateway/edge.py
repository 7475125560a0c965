"""What every request to the gateway shares."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

from chalice_offline.callers import Callers, Headers, is_loopback, own_origins
from chalice_offline.gateway.authorizer import IdentitySource
from chalice_offline.gateway.connections import Closure, Connection
from chalice_offline.gateway.events import ApiIdentity, Arrival
from chalice_offline.gateway.ids import new_id
from chalice_offline.gateway.routing import SelectionExpression
from chalice_offline.gateway.settings import GatewaySettings
from chalice_offline.gateway.slots import Slots
from chalice_offline.gateway.throttle import TokenBucket
from chalice_offline.invocation import (
    ANY_CALLER,
    AppManifest,
    Caller,
    Functions,
    OnEnd,
    Outcome,
    Raised,
    Returned,
    TimedOut,
)
from chalice_offline.services.ports import authority
from chalice_offline.supervision import spawn

Result = TypeVar("Result")

# What they say is in part what callers chose.
_WARNINGS_MAX: Final = 20
GIVEN_UP: Final = Raised("Runtime.Stopped", "the gateway stops, and waited long enough")


class OpenConnection(Protocol):
    """What callbacks and a shutdown do with a client's connection."""

    @property
    def connection(self) -> Connection: ...

    def post(self, text: str, size: int) -> bool:
        """Send a text frame of ``size`` bytes; False when too much waits for this client already."""
        ...

    def post_now(self, texts: Sequence[str], now_ms: int) -> bool:
        """Send text frames in one piece, none of them if not all can leave at once."""
        ...

    async def close(self, closure: Closure) -> None:
        """Close the connection from our side."""
        ...

    def close_soon(self, closure: Closure) -> None:
        """Close the connection without waiting for the close frame to be on its way."""
        ...


@dataclass(slots=True, kw_only=True)
class Edge:
    """The API, its functions, and its open connections.

    Attributes:
        sessions: Open connections by id. A connection is here exactly while callbacks can reach it.
        callers: Who may call a gateway on loopback; None where it listens on another address.
        tasks: Handlers still running, so that a shutdown can wait for them.
        slots: How many messages of a caller may be with its handlers at once, by the caller's key.
    """

    settings: GatewaySettings
    manifest: AppManifest
    functions: Functions
    api: ApiIdentity
    expression: SelectionExpression
    identity_sources: tuple[IdentitySource, ...]
    connects: TokenBucket
    callbacks: TokenBucket
    callers: Callers | None
    stopping: bool = False
    sessions: dict[str, OpenConnection] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    slots: WeakValueDictionary[str, Slots] = field(default_factory=WeakValueDictionary)
    _told: set[tuple[str, ...]] = field(init=False, default_factory=set)
    _waiting: set[asyncio.Task[Any]] = field(init=False, default_factory=set)
    _begun: int = field(init=False, default=0)
    _none_left: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    @classmethod
    def create(
        cls, settings: GatewaySettings, manifest: AppManifest, functions: Functions, *, port: int
    ) -> Self:
        """Raises ``ValueError`` for a selection expression or identity source that is none."""
        limits = settings.limits
        api = ApiIdentity(
            api_id=settings.api_id,
            account_id=settings.account_id,
            region=settings.region,
            stage=settings.websocket_stage,
            domain_name=settings.domain_name or authority(settings.host, port),
        )
        return cls(
            settings=settings,
            manifest=manifest,
            functions=functions,
            api=api,
            expression=SelectionExpression.parse(settings.route_selection_expression),
            identity_sources=tuple(map(IdentitySource.parse, settings.authorizer_identity_sources)),
            connects=TokenBucket(limits.connections_per_s, limits.connections_per_s),
            callbacks=TokenBucket(limits.requests_per_s, limits.request_burst),
            callers=_callers(settings, port) if is_loopback(settings.host) else None,
        )

    def stranger(self, headers: Headers) -> str | None:
        """Return why a request is not one of those that a gateway on loopback is there for, None if it is."""
        refusal = None if self.callers is None else self.callers.refusal(headers)
        if refusal is not None:
            self.warn("refused; gateway.allowed_origins and allowed_hosts let others in", reason=refusal)
        return refusal

    def warn(self, message: str, **facts: str) -> None:
        """Tell the developer something once, and not more than so much of all."""
        told = (message, *facts.values())
        if told not in self._told and len(self._told) < _WARNINGS_MAX:
            self._told.add(told)
            self.settings.warn(message, facts)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def arrival(self) -> Arrival:
        """Note the arrival of a request now."""
        return Arrival(new_id(), self.now_ms())

    def slots_of(self, key: str) -> Slots:
        """Return what all connections of a caller share."""
        return self.slots.setdefault(key, Slots(self.settings.limits.messages_in_flight_max))

    async def invoke(
        self, function_name: str, event: Mapping[str, Any], caller: Caller = ANY_CALLER
    ) -> Outcome:
        """Invoke a function within the integration's time-out, and log its failure."""
        timeout_s = self.settings.limits.integration_timeout_s
        invoking = self.functions.invoke(function_name, event, timeout_s=timeout_s, caller=caller)
        outcome = await self.unless_given_up(invoking) or GIVEN_UP
        self._log_failure(function_name, outcome)
        return outcome

    async def unless_given_up(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Return what comes of the work; None if a stop has waited for it long enough."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            return await work
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            task.uncancel()
            return None
        finally:
            self._waiting.discard(task)

    def give_up(self) -> None:
        """Let requests wait no longer, as a stop does in the end: uvicorn would log a traceback for each."""
        for task in self._waiting:
            task.cancel()

    def begin(self, function_name: str, event: Mapping[str, Any], on_end: OnEnd, caller: Caller) -> None:
        """Begin what ``invoke`` does; a shutdown waits for its end."""
        self._begun += 1
        timeout_s = self.settings.limits.integration_timeout_s
        ended = partial(self._ended, function_name, on_end)
        self.functions.begin(function_name, event, ended, timeout_s=timeout_s, caller=caller)

    def _ended(self, function_name: str, on_end: OnEnd, outcome: Outcome) -> None:
        self._begun -= 1
        if not self._begun:
            self._none_left.set()
        self._log_failure(function_name, outcome)
        on_end(outcome)

    async def until_all_ended(self) -> None:
        """Return when everything that was begun has ended."""
        while self._begun:
            self._none_left.clear()
            await self._none_left.wait()

    def _log_failure(self, function_name: str, outcome: Outcome) -> None:
        match outcome:
            case Returned():
                return
            case Raised(error_type, error_message):
                facts = {"function": function_name, "error_type": error_type, "error_message": error_message}
                self.settings.log("function failed", facts)
            case TimedOut(after_s):
                self.settings.log("function timed out", {"function": function_name, "after_s": after_s})

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a handler beside the caller."""
        spawn("a connection's work", work, self.tasks)


def _callers(settings: GatewaySettings, port: int) -> Callers:
    """A gateway is called by its ``domainName`` too, if it was given one."""
    named = {settings.domain_name.lower().partition(":")[0]} if settings.domain_name else set()
    return Callers(own_origins(settings.host, port), settings.allowed_hosts | named, settings.allowed_origins)
