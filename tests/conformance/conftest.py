"""Which API the suite judges: ours, twice, or the one that ``CONFORMANCE_URL`` names.

Ours runs once with the probe's handlers in this process, where it can be configured at will, and once under
the whole local runtime. MiniStack is judged too, by the behaviours it shares.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from chalice_offline.gateway import GatewayLimits, GatewaySettings
from tests.conformance.client import Client
from tests.conformance.in_process import GatewayThread, probe_functions, probe_manifest
from tests.conformance.ministack import DIFFERENCES, probe_in_ministack
from tests.conformance.runtime import probe_under_runtime

DEPLOYED_URL = os.environ.get("CONFORMANCE_URL", "").rstrip("/")


SPACIOUS = GatewayLimits()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what MiniStack is known to do otherwise."""
    known = [item for item in items if _is_known_difference(item)]
    config.hook.pytest_deselected(items=known)
    items[:] = [item for item in items if item not in known]


def _is_known_difference(item: pytest.Item) -> bool:
    case = getattr(item, "callspec", None)
    in_ministack = case is not None and case.params.get("api") == "ministack"
    return in_ministack and getattr(item, "originalname", "") in DIFFERENCES


@dataclass(frozen=True)
class Api:
    """The API under test.

    Attributes:
        url: WebSocket address, stage included.
        integration_timeout_s: How long its integrations may take.
        idle_s: How long its connections may be idle.
    """

    url: str
    integration_timeout_s: float = 29.0
    idle_s: float = 600.0

    @property
    def http_url(self) -> str:
        """The management API's address."""
        return self.url.replace("ws", "http", 1)

    @property
    def root(self) -> str:
        """Address without the stage."""
        return self.url.rpartition("/")[0]


Deploy = Callable[..., Api]


PROBE_ENVIRONMENT = {
    "PROBE_ENDPOINT": "http://{domain}/{stage}",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "probe",
    "AWS_SECRET_ACCESS_KEY": "probe",
}


@pytest.fixture(scope="package")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Start gateways for the probe app, one for each configuration; they stop when the suite ends."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("PROBE_DIR", str(tmp_path_factory.mktemp("probe")))
        for name, value in PROBE_ENVIRONMENT.items():
            patch.setenv(name, value)
        functions = probe_functions()

        started: dict[str, Api] = {}

        def start(limits: GatewayLimits = SPACIOUS, manifest: Mapping[str, Any] = {}, **settings: Any) -> Api:
            key = repr((limits, manifest, settings))
            if key not in started:
                chosen = GatewaySettings(port=0, limits=limits, **settings)
                gateway = GatewayThread(chosen, probe_manifest(**manifest), functions)
                running.callback(gateway.stop)
                url = f"ws://{gateway.address}/{chosen.websocket_stage}"
                started[key] = Api(url, limits.integration_timeout_s, limits.idle_s)
            return started[key]

        yield start


@pytest.fixture(
    scope="package", params=["deployed"] if DEPLOYED_URL else ["in process", "runtime", "ministack"]
)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API under test, configured as ``chalice deploy`` leaves it."""
    match request.param:
        case "deployed":
            yield Api(DEPLOYED_URL)
        case "runtime":
            with probe_under_runtime(tmp_path_factory.mktemp("runtime")) as url:
                yield Api(url)
        case "ministack":
            request.getfixturevalue("start")  # for the environment: credentials and region
            with probe_in_ministack(tmp_path_factory.mktemp("ministack")) as url:
                yield Api(url)
        case _:
            yield request.getfixturevalue("start")()


@pytest.fixture
def deploy(request: pytest.FixtureRequest) -> Deploy:
    """Start an API that is configured otherwise; only here: a deployed one has the configuration it has."""
    if DEPLOYED_URL:
        pytest.skip("needs an API with another configuration")
    start: Deploy = request.getfixturevalue("start")
    return start


@pytest.fixture
def impatient(request: pytest.FixtureRequest) -> Iterator[Api]:
    """APIs whose integrations have little time: less than a second here, half a minute on AWS.

    Where a machine is too busy for so little, the next has more.
    """
    return _slow(request, *(GatewayLimits(integration_timeout_s=each) for each in (0.6, 2.4, 9.6)))


@pytest.fixture
def restless(request: pytest.FixtureRequest) -> Iterator[Api]:
    """APIs that close what is idle: after seconds here, after minutes on AWS; the next one later likewise."""
    return _slow(request, *(GatewayLimits(idle_s=each) for each in (1.5, 6.0, 24.0)))


def _slow(request: pytest.FixtureRequest, *limits: GatewayLimits) -> Iterator[Api]:
    if DEPLOYED_URL:
        if "CONFORMANCE_SLOW" not in os.environ:
            pytest.skip("waits for a limit of minutes; give --slow to run it")
        return iter([Api(DEPLOYED_URL)])
    start: Deploy = request.getfixturevalue("start")
    return (start(limits=each) for each in limits)


@pytest.fixture
def observer(api: Api) -> Iterator[Client]:
    """A second connection, to ask about the first."""
    with Client(api.url) as client:
        yield client
