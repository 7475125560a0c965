"""Which API the suite judges: one of ours, or the one that ``CONFORMANCE_URL`` names."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.gateway import GatewayLimits, GatewaySettings
from tests.conformance.client import Client
from tests.conformance.in_process import GatewayThread, probe_functions, probe_manifest

# Short enough to wait for; a deployed API has its own.
INTEGRATION_TIMEOUT_S = 0.6


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


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Start gateways for the probe app; they stop when the suite ends."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("PROBE_DIR", str(tmp_path_factory.mktemp("probe")))
        for name, value in PROBE_ENVIRONMENT.items():
            patch.setenv(name, value)
        functions = probe_functions()

        def start(limits: GatewayLimits | None = None, manifest: Any = None, **settings: Any) -> Api:
            limits = limits or GatewayLimits(integration_timeout_s=INTEGRATION_TIMEOUT_S)
            chosen = GatewaySettings(port=0, limits=limits, **settings)
            gateway = GatewayThread(chosen, probe_manifest(**(manifest or {})), functions)
            running.callback(gateway.stop)
            url = f"ws://{gateway.address}/{chosen.websocket_stage}"
            return Api(url, limits.integration_timeout_s, limits.idle_s)

        yield start


@pytest.fixture(scope="session")
def deployed() -> Api | None:
    """The API that somebody else runs, if that is the one to judge."""
    url = os.environ.get("CONFORMANCE_URL")
    return Api(url.rstrip("/")) if url else None


@pytest.fixture(scope="session")
def api(deployed: Api | None, request: pytest.FixtureRequest) -> Api:
    """The API under test, configured as ``chalice deploy`` leaves it."""
    if deployed is not None:
        return deployed
    api: Api = request.getfixturevalue("start")()
    return api


@pytest.fixture
def deploy(deployed: Api | None, request: pytest.FixtureRequest) -> Deploy:
    """Start an API that is configured otherwise; only here, for somebody else's has its configuration."""
    if deployed is not None:
        pytest.skip("needs an API with another configuration")
    start: Deploy = request.getfixturevalue("start")
    return start


@pytest.fixture
def slow(deployed: Api | None) -> None:
    """Guard a test that waits for a limit: seconds here, minutes or hours on AWS."""
    if deployed is not None and "CONFORMANCE_SLOW" not in os.environ:
        pytest.skip("waits for a limit of minutes or hours; give --slow to run it")


@pytest.fixture
def idling(deployed: Api | None, request: pytest.FixtureRequest) -> Api:
    """An API whose connections may be idle for a moment only; on AWS it is ten minutes."""
    request.getfixturevalue("slow")
    if deployed is not None:
        return deployed
    api: Api = request.getfixturevalue("start")(limits=GatewayLimits(idle_s=0.3))
    return api


@pytest.fixture
def observer(api: Api) -> Iterator[Client]:
    """A second connection, to ask about the first."""
    with Client(api.url) as client:
        yield client
