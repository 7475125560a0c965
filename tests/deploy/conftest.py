"""One package and one emulated cloud for all tests of the deployment."""

import fcntl
import json
from collections.abc import Callable, Iterator

import pytest

from infra.deploy.packaging import Package, package
from tests.deploy.emulated_cloud import EmulatedCloud, emulated_cloud
from tests.deploy.stage import APP_DIR, Stage


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Package:
    """The package of stage ``dev``, as the deploy command builds it: once,
    however many processes run the tests.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / "package"
    template = shared / "template.json"
    with (shared.parent / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if template.exists():
            return Package(shared / "orderflow.zip", json.loads(template.read_text()))
        # It is there if a test before this one could not make the package: let each say why.
        shared.mkdir(exist_ok=True)
        made = package(APP_DIR, "dev", shared)
        template.write_text(json.dumps(made.template))
        return made


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedCloud]:
    """MiniStack with IAM enforced, empty."""
    with emulated_cloud(tmp_path_factory.mktemp("ministack")) as running:
        yield running


@pytest.fixture(scope="module")
def stage(emulator: EmulatedCloud, built: Package, make_database: Callable[[], str]) -> Iterator[Stage]:
    """Stage ``dev``, deployed, on a database of its own."""
    deployed = Stage(emulator, make_database())
    deployed.deploy(built)
    yield deployed
    deployed.close()
