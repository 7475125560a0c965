"""Stand-ins for the Lambda host, and a gateway that runs for the length of a block."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chalice_offline.gateway import Gateway, GatewayLimits, GatewaySettings
from chalice_offline.invocation import ANY_CALLER, AppManifest, Caller, Functions, Outcome, Returned, TimedOut
from tests.fakes.functions import FakeHost

Answer = Callable[[Mapping[str, Any]], Awaitable[Outcome]]

OK = Returned({"statusCode": 200})
ROUTES = {"$connect": "connect", "$default": "message", "$disconnect": "disconnect"}
SHORT_LIMITS = GatewayLimits(integration_timeout_s=5)


class FakeFunctions(FakeHost):
    """Gives the answers it was made with and keeps the events it gets; a function without one returns 200."""

    def __init__(self, **answers: Answer | Outcome) -> None:
        super().__init__()
        self.answers = answers
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.callers: list[Caller] = []
        self.arrived = asyncio.Condition()

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        self.events.append((function_name, event))
        self.callers.append(caller)
        async with self.arrived:
            self.arrived.notify_all()
        answer = self.answers.get(function_name, OK)
        if not callable(answer):
            return answer
        try:
            async with asyncio.timeout(timeout_s):
                return await answer(event)
        except TimeoutError:
            return TimedOut(timeout_s or 0)

    def events_of(self, function_name: str) -> list[Mapping[str, Any]]:
        return [event for name, event in self.events if name == function_name]

    async def wait_for(self, function_name: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Wait until a function was invoked so often; return its events."""
        async with self.arrived, asyncio.timeout(10):
            await self.arrived.wait_for(lambda: len(self.events_of(function_name)) >= count)
        return self.events_of(function_name)


@asynccontextmanager
async def a_gateway(
    functions: Functions,
    *,
    routes: Mapping[str, str] = ROUTES,
    manifest: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Run a gateway, on any port unless one is named."""
    settings.setdefault("limits", SHORT_LIMITS)
    settings.setdefault("port", 0)
    app = AppManifest("app", websocket_handlers=routes, **(manifest or {}))
    gateway = Gateway(GatewaySettings(**settings), app, functions)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
