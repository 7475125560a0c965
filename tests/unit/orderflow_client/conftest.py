"""A client of a fake engine, with short waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from orderflow_client import Client, Limits
from tests.fakes.engine_server import FakeEngine

Result = TypeVar("Result")
Story = Callable[[FakeEngine, Client], Awaitable[Result]]
Play = Callable[[Story[Result]], Result]

QUICK = Limits(answer_s=0.3, reconnect_most_s=0.05, quiet_s=0.1, gap_s=0.02, time_limit_s=60)


@pytest.fixture
def play() -> Play[object]:
    """Play a story with an engine and a client of it, both new."""
    return play_with(QUICK)


def play_with(limits: Limits) -> Play[object]:
    """Return what plays a story with a client that has limits of its own."""

    def run(story: Story[Result]) -> Result:
        async def whole() -> Result:
            async with (
                FakeEngine() as engine,
                Client(engine.url, "token", rest_url=engine.rest_url, limits=limits) as client,
            ):
                return await story(engine, client)

        return asyncio.run(whole())

    return run
