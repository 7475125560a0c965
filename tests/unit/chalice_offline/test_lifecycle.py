"""The life of an instance that cannot begin."""

import subprocess
import sys
from pathlib import Path


def test_start_where_there_is_no_app_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chalice_offline", "start", "--app", str(tmp_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"error: {tmp_path} has no app.py: give the directory of a Chalice project with --app\n"
    )
    assert not [*tmp_path.iterdir()]
