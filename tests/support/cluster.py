"""One database cluster of a run, made as the runtime makes its own, and copied into the instances' state.

``initdb`` takes two seconds of processor time, and a copy a tenth of it.
"""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.postgres import Postgres
from chalice_offline.services.postgres_binaries import postgres_binaries
from chalice_offline.state_dir import StateDir

_PASSWORD: Final = "POSTGRES_PASSWORD"
_folder: Path | None = None


def keep_cluster_in(folder: Path) -> None:
    """Say where all processes of this run find the cluster; without it, instances make their own."""
    global _folder  # noqa: PLW0603 - a run's, as the folder is
    _folder = folder


def give_cluster(state_dir: Path) -> None:
    """Put the cluster and its owner's password into a state directory that has none."""
    if _folder is None or (state_dir / "postgres").exists() or (state_dir / "secrets.json").exists():
        return
    made = _made(_folder)
    state = StateDir(state_dir)
    target = state.folder("postgres") / "data"
    # With its owner, which is not the one who runs the tests if that is root.
    subprocess.run(("cp", "-a", str(made / "postgres" / "data"), str(target)), check=True)
    shutil.copy(made / "secrets.json", state_dir / "secrets.json")


def _made(folder: Path) -> Path:
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".new")
            state = StateDir(draft)
            log = Log(sys.stderr)
            register = ChildRegister(state.folder("logs") / "children.json")
            Postgres(state, 0, register, log)._initialise(postgres_binaries())
            assert list(json.loads((draft / "secrets.json").read_text())) == [_PASSWORD]
            draft.rename(folder)
    return folder
