"""The whole product as a stranger runs it: one instance for all tests that do not need one of their own."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.e2e.trader import TIME_LIMIT_S, Trader
from tests.support.busy_machine import PATIENCE
from tests.support.instance import REPOSITORY, Instance

APP = REPOSITORY / "chalice_app"
AT_ONCE = {"QUOTE_LATENCY_MS": "0", "SETTLEMENT_LATENCY_MS": "0"}

Connect = Callable[..., Trader]


def an_instance(
    state_dir: Path,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    makes_own_cluster: bool = False,
) -> Instance:
    """An instance of the runtime with our app; enter it to wait until it is ready."""
    latencies = AT_ONCE if environment is None else environment
    return Instance(
        APP,
        state_dir,
        "--no-reload",
        port=port,
        environment={**PATIENCE, **latencies},
        program="infra.run",
        makes_own_cluster=makes_own_cluster,
    )


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The shared instance, latencies off, which began with nothing, as the first start on a machine does.

    No test may make it log a traceback.
    """
    state_dir = tmp_path_factory.mktemp("instance") / "state"
    with an_instance(state_dir, makes_own_cluster=True) as instance:
        yield instance
    assert tracebacks(instance) == []


@pytest.fixture
def connect(instance: Instance) -> Iterator[Connect]:
    """A function that opens a connection, closed at the end of the test; its argument is the URL's query."""
    opened: list[Trader] = []

    def open_one(**query: str) -> Trader:
        opened.append(Trader(instance.websocket_url, query))
        return opened[-1]

    yield open_one
    for trader in opened:
        trader.close()


@pytest.fixture
def trader(connect: Connect) -> Trader:
    return connect()


@pytest.fixture(scope="package")
def rest(instance: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=instance.rest_url, timeout=TIME_LIMIT_S) as client:
        yield client


def tracebacks(instance: Instance) -> list[str]:
    return [line for line in instance.lines if "Traceback" in line or " ERROR " in line]
