"""Which interpreter the virtual environment is made with, among stand-ins that say what they are."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "infra" / "interpreter.py"


class Machine:
    """Two folders on the path."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second = folder / "first", folder / "second"
        for each in (self.first, self.second):
            each.mkdir()

    def has(self, path: Path, answer: str) -> Path:
        """Put a program there; what it says ends with its own name, unless it is told another."""
        path.write_text(f"#!/bin/sh\n{answer} ${{PROGRAM:-$0}}\n")
        path.chmod(0o755)
        return path

    def chosen(self) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": f"{self.first}:{self.second}"}
        return subprocess.run(
            [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_first_python3_is_taken_if_no_build_of_its_version_is_clearly_faster(machine: Machine) -> None:
    first = machine.has(machine.first / "python3", "echo 3 12 0.0100")
    machine.has(machine.second / "python3", "echo 3 12 0.0095")
    assert machine.chosen().stdout == f"{first}\n"
    assert machine.chosen().stderr == ""


def test_folder_on_the_path_that_cannot_be_read_is_passed_over(machine: Machine) -> None:
    python = machine.has(machine.second / "python3", "echo 3 12 0.01")
    machine.first = machine.first / ("a" * 256)  # root may look into any folder, but into none of such a name
    assert machine.chosen().stdout == f"{python}\n"


def test_clearly_faster_build_of_the_same_version_is_taken_and_named(machine: Machine) -> None:
    first = machine.has(machine.first / "python3", "echo 3 12 0.010")
    faster = machine.has(machine.second / "python3", "echo 3 12 0.008")
    chosen = machine.chosen()
    assert chosen.stdout == f"{faster}\n"
    assert (
        chosen.stderr
        == f"Using {faster}, 1.2 times as fast as {first} (make clean run PYTHON=... takes another)\n"
    )


def test_faster_build_is_known_by_its_best_turn_where_the_machine_is_slow_at_first(machine: Machine) -> None:
    machine.has(machine.first / "python3", "echo 3 12 0.006")
    asked = machine.first / "asked"
    faster = machine.has(
        machine.second / "python3", f"s=0.004; test -e {asked} || s=0.009; : > {asked}; echo 3 12 $s"
    )
    assert machine.chosen().stdout == f"{faster}\n"


def test_shim_of_the_first_interpreter_is_no_other_one_however_fast_it_ran(machine: Machine) -> None:
    first = machine.has(machine.first / "python3", "echo 3 12 0.010")
    machine.has(machine.second / "python3", f"PROGRAM={first}; echo 3 12 0.005")
    assert machine.chosen().stdout == f"{first}\n"


def test_other_version_is_not_taken_for_its_speed(machine: Machine) -> None:
    first = machine.has(machine.first / "python3", "echo 3 12 0.010")
    machine.has(machine.second / "python3.13", "echo 3 13 0.005")
    assert machine.chosen().stdout == f"{first}\n"


def test_other_versions_are_not_asked_where_python3_will_do(machine: Machine) -> None:
    asked = machine.first / "asked"
    machine.has(machine.first / "python3", "echo 3 12 0.010")
    machine.has(machine.second / "python3.13", f"touch {asked}; echo 3 13 0.005")
    faster = machine.has(machine.second / "python3.12", "echo 3 12 0.008")
    assert machine.chosen().stdout == f"{faster}\n"
    assert not asked.exists()


def test_newest_version_is_taken_where_python3_is_too_old_or_cannot_make_environments(
    machine: Machine,
) -> None:
    machine.has(machine.first / "python3", "echo 3 9 0.010")
    machine.has(machine.second / "python3", "echo no module named ensurepip >&2; exit 1")
    machine.has(machine.first / "python3.11", "echo 3 11 0.010")
    newest = machine.has(machine.second / "python3.12", "echo 3 12 0.010")
    machine.has(machine.second / "python3.12-config", "echo 3 15 0.001")
    assert machine.chosen().stdout == f"{newest}\n"


def test_machine_without_any_says_what_is_needed(machine: Machine) -> None:
    machine.has(machine.first / "python3", "echo 3 10 0.010")
    chosen = machine.chosen()
    assert (chosen.returncode, chosen.stdout) == (1, "")
    assert "Python 3.11 to 3.15 is needed" in chosen.stderr


def test_version_that_nothing_is_pinned_for_is_passed_over(machine: Machine) -> None:
    machine.has(machine.first / "python3", "echo 3 16 0.010")
    machine.has(machine.first / "python3.16", "echo 3 16 0.010")
    known = machine.has(machine.second / "python3.15", "echo 3 15 0.010")
    assert machine.chosen().stdout == f"{known}\n"
    known.unlink()
    assert "Python 3.11 to 3.15 is needed" in machine.chosen().stderr


def test_real_interpreter_answers_with_its_version(machine: Machine) -> None:
    real = machine.first / "python3"
    real.symlink_to(sys.executable)
    assert machine.chosen().stdout == f"{real}\n"
