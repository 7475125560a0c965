"""A chaos run in which functions of an older release and of this tree work side by side, and take turns."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from chalice_offline.asking import Instance as AskedInstance
from tests.chaos.run import Chaos, Plan, Say
from tests.skew.stages import Release, Stage, is_prepared_by
from tests.support.instance import REPOSITORY

_REPLACED_EVERY_S: Final = 1.0
_SWEPT_EVERY_S: Final = 4.0


class Skew(Chaos):
    """An instance whose environments are of two releases."""

    def __init__(self, plan: Plan, folder: Path, say: Say, older: Path, stages: Sequence[Stage]) -> None:
        self._trees = {Release.OLDER: older, Release.THIS: REPOSITORY}
        self._stages = stages
        self._choice = folder / "choice"
        self._choice.mkdir()
        self._choose(stages[0].older_percent)
        named = {"SKEW_OLDER": older, "SKEW_THIS": REPOSITORY, "SKEW_CHOICE": self._choice}
        app = skewed_app(folder / "app", named, self._trees[is_prepared_by(stages)])
        super().__init__(replace(plan, app=app), folder / "state", say)

    @property
    def lines(self) -> Sequence[str]:
        """What the runtime and its functions said."""
        return self._instance.lines

    async def _strike(self) -> None:
        for stage in self._stages:
            await self._begin(stage)
            beside = [asyncio.create_task(each) for each in (self._replace_some(stage), self._sweep())]
            await super()._strike()
            for task in beside:
                task.cancel()
        self._choose(0)
        await self._replace_all()

    async def _begin(self, stage: Stage) -> None:
        self._say(f"-- {stage.name}")
        if not stage.knows_waiting:
            self._tell(knows_waiting=False)
            await self._until(lambda: all(each.is_answered for each in self._sockets))
        self._choose(stage.older_percent)
        if stage.migrates:
            self._say(await asyncio.to_thread(self._migrate, stage.migrates))
        await self._replace_all()
        self._tell(knows_waiting=stage.knows_waiting)

    def _tell(self, *, knows_waiting: bool) -> None:
        for client in self._sockets:
            client.knows_waiting = knows_waiting

    async def _replace_all(self) -> None:
        # Twice, as one that is just starting is not known yet.
        for pause_s in (1, 0):
            await asyncio.to_thread(self._end, None)
            await asyncio.sleep(pause_s)

    async def _replace_some(self, stage: Stage) -> None:
        while 0 < stage.older_percent < 100:
            await asyncio.sleep(self._dice.expovariate(1 / _REPLACED_EVERY_S))
            await asyncio.to_thread(self._end, 1)

    async def _sweep(self) -> None:
        """Have whichever release it is sweep more often than by the clock."""
        while True:
            await asyncio.sleep(_SWEPT_EVERY_S)
            try:
                await asyncio.to_thread(AskedInstance(self._state_dir).tick, "sweep")
            except Exception as error:  # noqa: BLE001  # it was killed, or what it asks
                self._say(f"not swept: {type(error).__name__}")

    def _end(self, number: int | None) -> None:
        """Kill environments, so many or all; others begin in their place."""
        functions = self._status()["pids"]["functions"]
        found = [
            pid for name, pids in functions.items() if name not in {"fork_server", "snapshot"} for pid in pids
        ]
        for pid in self._dice.sample(found, min(len(found) if number is None else number, len(found))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _choose(self, percent: int) -> None:
        draft = self._choice / "draft"
        draft.write_text(str(percent))
        draft.rename(self._choice / "older_percent")

    def _migrate(self, release: Release) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "chalicelib.prepare"],
            cwd=self._trees[release],
            env={**os.environ, "CHAIN": self._plan.chain, "DATABASE_URL": self._status()["database_url"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        how = "is done" if done.returncode == 0 else f"failed: {done.stdout.strip().splitlines()[-1]}"
        return f"the migration of the {release.value} release {how}"


def skewed_app(folder: Path, named: Mapping[str, Path], prepares: Path) -> Path:
    """Make the app whose environments are of either release; the tree ``prepares`` has its database made."""
    settings = folder / ".chalice"
    shutil.copytree(REPOSITORY / "chalice_app" / ".chalice", settings)
    shutil.copy(Path(__file__).with_name("either_release.py"), folder / "app.py")
    (folder / "chalicelib").symlink_to(prepares / "chalicelib")
    text = (settings / "local.toml").read_text().replace('"../', f'"{REPOSITORY}/')
    # One import for all environments would make them all of one release.
    before, _, rest = text.partition("snapshot = [")
    text = before + rest.partition("]\n")[2]
    lines = "".join(f'{name} = "{path}"\n' for name, path in named.items())
    (settings / "local.toml").write_text(text.replace("[environment]\n", f"[environment]\n{lines}"))
    return folder
