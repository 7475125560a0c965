"""The fixture, in a test session of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.instance import REPOSITORY

TESTS = """
import time
import urllib.request
import pytest
from chalice_offline.pytest_plugin import FunctionError

def test_function(chalice_offline):
    assert chalice_offline.invoke("price", {"name": "tea"}) == "3"
    with pytest.raises(FunctionError, match="KeyError"):
        chalice_offline.invoke("price", {"name": "cake"})

def test_addresses_and_logs(chalice_offline):
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"{chalice_offline.rest_url}/orders/none")
    refused.value.close()
    assert chalice_offline.ws_url.startswith("ws://127.0.0.1:")
    assert any(line.startswith("ready in") for line in chalice_offline.logs)
    assert chalice_offline.aws["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
"""


def test_session_has_one_running_app(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(TESTS)
    shop = REPOSITORY / "tests" / "strangers" / "shop"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nchalice_offline_app = {shop}\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "chalice_offline.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    shown = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in shown.stdout, shown.stdout + shown.stderr
