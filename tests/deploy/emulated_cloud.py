"""MiniStack as a child of the test run: loopback, IAM enforced, nothing kept."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chalice_offline.services.privileges import die_with_parent
from infra.deploy.cloud import Cloud, Target
from tests.support.plain_http import NO_TLS
from tests.support.ports import free_port

REPOSITORY = Path(__file__).parents[2]
TIME_LIMIT_S = 120


@dataclass(frozen=True)
class EmulatedCloud:
    cloud: Cloud
    log: Path


@contextmanager
def emulated_cloud(folder: Path) -> Iterator[EmulatedCloud]:
    port, log_path = free_port(), folder / "log"
    (folder / "tmp").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        # Else it also listens on port 8883 of every address.
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder / "tmp"),
        "LOG_LEVEL": "WARNING",
    }
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            (sys.executable, "-m", "tests.deploy.shared_code"),
            cwd=REPOSITORY,
            env=kept | settings,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        until_it_answers(f"{endpoint}/_ministack/health", server)
        yield EmulatedCloud(Cloud.of(Target.MINISTACK, {"AWS_ENDPOINT_URL": endpoint}), log_path)
    finally:
        server.terminate()
        server.wait(TIME_LIMIT_S)


def until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for the emulator's health; raise if it ends instead."""
    deadline = time.monotonic() + TIME_LIMIT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, verify=NO_TLS).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")
