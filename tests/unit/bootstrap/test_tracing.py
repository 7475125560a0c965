"""Tracing that is asked for and cannot be had is an error at once, and what is not is not loaded."""

import subprocess
import sys

import pytest

from chalicelib.bootstrap.tracing import check_tracing
from chalicelib.config import ConfigurationError
from tests.support.instance import REPOSITORY

_OBSERVED = """
import sys
from chalicelib.bootstrap.wiring import Services
from chalicelib.config import Settings
loopback = {"AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}
services = Services(Settings.from_env({**loopback, "TRACES": sys.argv[1]}))
loaded_first = "opentelemetry.sdk" in sys.modules
services.observer
print(loaded_first, "opentelemetry.sdk" in sys.modules)
"""


def test_tracing_without_its_packages_is_refused_and_says_which_set_has_them() -> None:
    for module in ("opentelemetry.exporter.of_nobody", "no_such_package.exporter"):
        with pytest.raises(ConfigurationError, match=r"^TRACES: .*requirements-traces\.txt"):
            check_tracing(module)


def test_tracing_with_its_packages_is_fine() -> None:
    check_tracing()


@pytest.mark.parametrize(("asked", "loaded"), [("0", "False False"), ("1", "False True")])
def test_opentelemetry_is_loaded_with_the_observer_and_only_if_asked_for(asked: str, loaded: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OBSERVED, asked],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[-2] == loaded
