"""A local chain in a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).parents[4]


class Running:
    """A chain in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def post(self, body: Any, path: str = "/") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path, data, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def call(self, method: str, *params: Any, path: str = "/") -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        status, _, body = self.post(request, path)
        assert status == 200, body
        answered = json.loads(body)
        assert "error" not in answered, answered
        return answered["result"]

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(state: Path, *options: str, port: int | None = None) -> Iterator[Running]:
    port = port or free_port(2)
    command = [sys.executable, "-m", "infra.chain", "--port", str(port), "--state", str(state), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("chain ready"), line
            yield Running(process, port)
        finally:
            process.kill()
