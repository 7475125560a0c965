"""Ctrl-C while a command is still imported ends it, and that is all."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
CHAT: Final = "chalice_offline start --app tests/chat_app"
# A library that is imported before the command line is read, and one that waits for the command.
IMPORTED: Final = (
    (CHAT, "click"),
    (CHAT, "pydantic"),
    ("infra.run start", "click"),
    ("infra.run start", "pydantic"),
    ("infra.cli orders", "click"),
    ("infra.cli orders", "rich"),
)

# As in a terminal, whatever the suite was started by.
RUN: Final = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
INTERRUPTED: Final = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize(("command", "library"), IMPORTED)
def test_ctrl_c_while_a_library_is_imported_prints_nothing(
    command: str, library: str, tmp_path: Path
) -> None:
    Path(tmp_path, f"{library}.py").write_text(INTERRUPTED, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode in {-signal.SIGINT, 130}
