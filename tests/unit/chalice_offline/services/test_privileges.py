"""What is left of root in a child that runs as ``nobody``."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chalice_offline.services.privileges import become_nobody, runs_as_root, unprivileged_ids

pytestmark = pytest.mark.skipif(not runs_as_root(), reason="only root has something to give up")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    home = tmp_path / "root-alone"
    home.mkdir(mode=0o700)
    program = home / "program"
    program.write_text("#!/bin/sh\nid -u\n")
    program.chmod(0o755)
    return program


def test_nobody_runs_a_program_below_roots_own_home(program: Path) -> None:
    assert _output_as_nobody(str(program)) == str(unprivileged_ids()[0])


def test_nobody_is_told_that_it_may_run_a_program_below_roots_own_home(program: Path) -> None:
    # initdb and postgres ask access(2) about their own binaries, and refuse to work when told no.
    ask = "import os, sys; print(os.access(sys.argv[1], os.R_OK | os.X_OK))"
    assert _output_as_nobody(sys.executable, "-I", "-c", ask, str(program)) == "True"


def _output_as_nobody(*command: str) -> str:
    prepare = become_nobody(signal.SIGKILL)
    done = subprocess.run(command, preexec_fn=prepare, capture_output=True, text=True, check=True)
    return done.stdout.strip()
