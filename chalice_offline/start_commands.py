"""Commands that a project runs before it is ready, such as database migrations."""

import asyncio
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from chalice_offline.logs import Log
from chalice_offline.services.privileges import die_with_parent


class StartCommandError(RuntimeError):
    """A command of ``on_start`` failed."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"on_start command failed with exit status {status}: {command}\n{output}".rstrip())


async def run_start_commands(
    commands: Sequence[str],
    *,
    app_dir: Path,
    environment: Mapping[str, str],
    log: Log,
    python: str,
) -> None:
    """Run the commands one after the other in the project's directory.

    ``python`` in them is that interpreter.

    Raises:
        StartCommandError: The first that fails, with what it printed.
    """
    folder = str(Path(python).parent)
    path = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    for command in commands:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            cwd=app_dir,
            env={**environment, "PATH": path},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace").rstrip()
        if process.returncode != 0:
            raise StartCommandError(command, process.returncode or 0, text)
        for line in text.splitlines():
            log.event("debug", line, command=command)
