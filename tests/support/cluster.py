"""Database clusters of a run, made as the runtime makes its own, and copied into the instances' state.

``initdb`` takes two seconds of processor time, the migrations one, and a copy a tenth of one.
"""

import asyncio
import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.postgres import Postgres
from chalice_offline.services.postgres_binaries import postgres_binaries
from chalice_offline.state_dir import StateDir
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations import upgrade
from tests.support.memory import folder_in_memory
from tests.support.ports import free_port

_PASSWORD: Final = "POSTGRES_PASSWORD"
_folder: Path | None = None
_given: Final = ExitStack()


@contextmanager
def clusters_kept_in(folder: Path) -> Iterator[None]:
    """Say where all processes of this run find the clusters; without it, instances make their own.

    What instances were given is removed at the end.
    """
    global _folder  # noqa: PLW0603 - a run's, as the folder is
    _folder = folder
    with _given:
        yield


def give_cluster(state_dir: Path, *, is_migrated: bool) -> None:
    """Put a cluster and its owner's password into a state directory that has none.

    Args:
        is_migrated: With the instance's database, empty and as our migrations leave it; else without one.
    """
    if _folder is None or (state_dir / "postgres").exists() or (state_dir / "secrets.json").exists():
        return
    made = _made(_folder / ("migrated" if is_migrated else "new"), is_migrated=is_migrated)
    folder = _given.enter_context(folder_in_memory())
    # With their owner, who is not the one who runs the tests if that is root.
    subprocess.run(("cp", "-a", f"{made / 'postgres'}/.", str(folder)), check=True)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state_dir / "postgres").symlink_to(folder)
    shutil.copy(made / "secrets.json", state_dir / "secrets.json")


def _made(folder: Path, *, is_migrated: bool) -> Path:
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            state = StateDir(draft)
            log = Log(sys.stderr)
            register = ChildRegister(state.folder("logs") / "children.json")
            postgres = Postgres(state, free_port(), register, log)
            if is_migrated:
                # A test that starts an instance may run in a loop of its own.
                with ThreadPoolExecutor(1) as executor:
                    executor.submit(lambda: asyncio.run(_migrate(postgres))).result()
            else:
                postgres._initialise(postgres_binaries())
            log.close()
            assert list(json.loads((draft / "secrets.json").read_text())) == [_PASSWORD]
            draft.rename(folder)
    return folder


async def _migrate(postgres: Postgres) -> None:
    await postgres.start()
    engine = make_engine(postgres.url)
    try:
        await asyncio.to_thread(upgrade, engine)
    finally:
        engine.dispose()
        await postgres.stop()
