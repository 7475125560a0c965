"""The comparison of pins with advisories: pip-audit itself,
against a service of our own that speaks OSV's API.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infra.cli.orderflow import orderflow
from tests.support.instance import REPOSITORY
from tests.support.ports import free_port

Advisories = dict[str, Any]


def advisory(name: str, *, fixed_in: str) -> Advisories:
    """Return OSV's answer about a package with one advisory (OSV schema 1)."""
    events = [{"introduced": "0"}, {"fixed": fixed_in}]
    affected = [
        {
            "package": {"name": name, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
    ]
    return {"vulns": [{"id": f"TEST-{name}", "summary": "bad", "affected": affected}]}


CONTROL = {"jinja2==2.4.1": advisory("jinja2", fixed_in="2.7.2")}


@contextmanager
def service(answers: dict[str, Advisories], *, status: int = 200) -> Iterator[str]:
    """A service that knows advisories by pin, and of nothing else."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = answers.get(f"{asked['package']['name']}=={asked['version']}", {})
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _nothing_is_left_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "pins.txt"
    hashes = " --hash=sha256:" + "0" * 64
    path.write_text("".join(f"{pin}{hashes}\n" for pin in ("good==1.0", "bad==2.0")))
    return path


def run(service_url: str, pins: Path, *options: str) -> Result:
    return CliRunner().invoke(
        orderflow, ["--json", "advisories", "--service", service_url, "--file", str(pins), *options]
    )


def test_pins_without_an_advisory_pass(pins: Path) -> None:
    with service(CONTROL) as url:
        result = run(url, pins)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"compared": 2, "findings": []}


def test_pin_with_an_advisory_fails_and_is_named_with_its_fix(pins: Path) -> None:
    with service(CONTROL | {"bad==2.0": advisory("bad", fixed_in="2.1")}) as url:
        result = run(url, pins)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"] == [
        {"requirement": "bad==2.0", "advisory": "TEST-bad", "fixed_in": ["2.1"]}
    ]


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_nobody_to_ask_is_said_and_fails_only_if_strict(
    pins: Path, options: tuple[str, ...], status: int
) -> None:
    result = run(f"http://127.0.0.1:{free_port()}", pins, *options)
    assert result.exit_code == status
    assert "NOT compared" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("answers", [{}, {"jinja2==2.4.1": {"vulns": []}}])
def test_service_that_knows_no_advisory_for_a_notorious_release_is_not_believed(
    pins: Path, answers: dict[str, Advisories]
) -> None:
    with service(answers) as url:
        assert "NOT compared" in run(url, pins).stderr


def test_service_that_is_down_is_not_taken_for_one_that_found_nothing(pins: Path) -> None:
    with service(CONTROL, status=503) as url:
        assert "answers 503" in run(url, pins).stderr


def test_pins_that_cannot_be_read_fail(tmp_path: Path) -> None:
    path = tmp_path / "pins.txt"
    path.write_text("good>=1.0\n")
    with service(CONTROL) as url:
        result = run(url, path)
    assert result.exit_code == 1
    assert "pip-audit failed" in result.output


def test_pins_of_the_package_are_among_those_compared() -> None:
    packaged, compared = (
        set(re.findall(r"^\S+==\S+", (REPOSITORY / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    assert packaged
    assert packaged <= compared
