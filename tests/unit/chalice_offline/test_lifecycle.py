"""The life of an instance that cannot begin."""

import subprocess
import sys
from pathlib import Path

import pytest

# Of TEST-NET-3: no machine's own.
ELSEWHERE = "203.0.113.1"


def test_start_where_there_is_no_app_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chalice_offline", "start", "--app", str(tmp_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"error: {tmp_path} has no app.py: give the directory of a Chalice project with --app\n"
    )
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("port", ["0", "8000"])
def test_address_that_is_not_this_machines_is_named(tmp_path: Path, port: str) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice/config.json").write_text('{"version": "2.0", "app_name": "x"}')
    (tmp_path / "app.py").touch()
    command = [sys.executable, "-m", "chalice_offline", "start", "--app", str(tmp_path)]
    command += ["--host", ELSEWHERE, "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    where = ELSEWHERE if port == "0" else f"{ELSEWHERE}:{port}"
    assert done.stderr.startswith(f"error: cannot listen on {where}: ")
