"""Describe a Chalice app by importing it in a child process."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chalice_offline.project.functions import Project, parse_project

_PATIENCE_S: Final = 60.0
_DESCRIBE: Final = Path(__file__).with_name("describe.py")


class ProjectError(RuntimeError):
    """The project cannot be described: not a Chalice project, or its app does not import."""


async def inspect_project(app_dir: Path, stage: str, environment: Mapping[str, str]) -> Project:
    """Return what the app consists of, as ``chalice deploy`` would see it.

    Raises:
        ProjectError: With what the import printed last.
    """
    if not (app_dir / "app.py").is_file():
        raise ProjectError(f"{app_dir} has no app.py: give the directory of a Chalice project with --app")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_DESCRIBE),
        str(app_dir),
        stage,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        cwd=app_dir,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _PATIENCE_S)
    except TimeoutError:
        raise ProjectError(f"importing {app_dir}/app.py took more than {_PATIENCE_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ProjectError(f"{app_dir}/app.py does not import:\n{errors.decode(errors='replace').strip()}")
    return parse_project(json.loads(output.splitlines()[-1]))
