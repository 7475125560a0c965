"""One package and one emulated cloud for all tests of the deployment."""

from collections.abc import Iterator

import pytest

from infra.deploy.packaging import Package, package
from tests.deploy.emulated_cloud import EmulatedCloud, emulated_cloud
from tests.deploy.stage import APP_DIR


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of stage ``dev``, as the deploy command builds it."""
    return package(APP_DIR, "dev", tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedCloud]:
    """MiniStack with IAM enforced, empty."""
    with emulated_cloud(tmp_path_factory.mktemp("ministack")) as running:
        yield running
