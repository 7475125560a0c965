"""Debugging in the terminal: the runtime runs in one of its own, and a person types there."""

import json
import os
import pty
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import REPOSITORY
from tests.support.ports import free_port

APP = """
import pdb
from chalice import Chalice

app = Chalice(app_name="puzzle")

@app.route("/")
def index():
    answer = 41
    breakpoint()
    return {"answer": answer}

@app.lambda_function()
def other(event, context):
    hint = "in other"
    pdb.set_trace()
    return hint
"""
CONFIG = {"version": "2.0", "app_name": "puzzle", "stages": {"dev": {"lambda_timeout": 1}}}


class Terminal:
    """A terminal in which a program runs."""

    def __init__(self, *command: str) -> None:
        self._ours, theirs = pty.openpty()
        self._unread = b""
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def until(self, text: str) -> str:
        """Return what is printed up to a text; a program that ends without it fails the test."""
        while text.encode() not in self._unread:
            self._unread += os.read(self._ours, 4096)
        found, self._unread = self._unread.split(text.encode(), 1)
        return found.decode()

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def terminal(tmp_path: Path, port: int) -> Iterator[Terminal]:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "app.py").write_text(APP)
    start = ("-m", "chalice_offline", "start", "--debug", "--no-reload", "--app", str(tmp_path))
    opened = Terminal(sys.executable, *start, "--port", str(port))
    yield opened
    opened.close()


def test_breakpoints_stop_in_the_terminal_one_after_the_other_and_nothing_times_out(
    terminal: Terminal, tmp_path: Path, port: int
) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/") as answer:
            answers.append(answer.read())
        invoke = [sys.executable, "-m", "chalice_offline", "invoke", "other", "--app", str(tmp_path)]
        answers.append(subprocess.run(invoke, cwd=REPOSITORY, capture_output=True, check=True).stdout)

    terminal.until("ready in")
    asking = threading.Thread(target=ask)
    asking.start()
    assert "index()" in terminal.until("(Pdb) ")
    terminal.type("import time; time.sleep(1.2)")  # longer than the function's time-out
    terminal.until("(Pdb) ")
    terminal.type("answer += 1; answer")
    assert "42" in terminal.until("(Pdb) ")
    terminal.type("c")
    assert "other()" in terminal.until("(Pdb) ")
    terminal.type("hint")
    assert "'in other'" in terminal.until("(Pdb) ")
    terminal.type("c")
    asking.join()
    assert json.loads(answers[0]) == {"answer": 42}
    assert answers[1] == b'"in other"\n'
