"""A child process, and the programs that it leaves behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chalice_offline.project.importing import Ended, run_to_its_end
from chalice_offline.services.children import started_at
from tests.support.instance import REPOSITORY


def run(program: str, directory: Path, timeout_s: float = 600) -> Ended:
    command = [sys.executable, "-X", "faulthandler", "-c", program]
    return asyncio.run(
        run_to_its_end(command, environment=os.environ, directory=directory, timeout_s=timeout_s)
    )


def test_what_a_process_writes_is_kept_whole_with_its_status(tmp_path: Path) -> None:
    program = "import sys; print('x' * 1_000_000); sys.exit('reason')"
    assert run(program, tmp_path) == Ended(1, b"x" * 1_000_000 + b"\n", b"reason\n")


def test_of_errors_without_end_the_last_are_kept(tmp_path: Path) -> None:
    ended = run("import sys; sys.stderr.write('waiting\\n' * 1_000_000 + 'the reason')", tmp_path)
    assert ended.errors.endswith(b"waiting\nthe reason")
    assert len(ended.errors) < 1_000_000


def test_process_that_is_given_up_says_where_it_was(tmp_path: Path) -> None:
    ended = run("import time\nprint(1, flush=True)\ntime.sleep(600)", tmp_path, timeout_s=1)
    assert (ended.status, ended.output) == (None, b"1\n")
    assert b"line 3 in <module>" in ended.errors


def test_process_that_ignores_being_given_up_ends_all_the_same(tmp_path: Path) -> None:
    program = (
        "import os, signal, time; signal.signal(signal.SIGABRT, signal.SIG_IGN); "
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    ended = run(program, tmp_path, timeout_s=1)
    assert ended.status is None
    assert started_at(int(ended.output)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel tells nothing of a parent's end")
def test_process_ends_with_the_one_that_waits_for_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; "
        "from chalice_offline.project.importing import run_to_its_end; "
        "asyncio.run(run_to_its_end([sys.executable, '-c', "
        "'import os, time; os.mkfifo(str(os.getpid())); time.sleep(600)'], "
        "environment={}, directory=Path(sys.argv[1]), timeout_s=600))"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY) as waiting:
        while not (found := list(tmp_path.iterdir())):
            pass
        waiting.kill()
    while started_at(int(found[0].name)) is not None:
        pass


def test_program_in_a_session_of_its_own_that_holds_the_pipes_delays_nothing(tmp_path: Path) -> None:
    left = "subprocess.Popen(['sleep', '600'], start_new_session=True).pid"
    ended = run(f"import subprocess; print({left})", tmp_path)
    assert ended.status == 0
    os.kill(int(ended.output), signal.SIGKILL)
