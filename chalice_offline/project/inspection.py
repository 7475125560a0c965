"""Describe a Chalice app by importing it in a child process."""

import json
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chalice_offline.project.functions import Project, parse_project
from chalice_offline.project.import_hints import import_hints
from chalice_offline.project.importing import run_to_its_end

_TIMEOUT_S: Final = 60.0
_CHALICE: Final = re.compile(r"^(?:from|import) chalice\b", re.MULTILINE)
_STATUSES_WITH_REASONS: Final = {1, 2}
"""What ``describe.py`` ends with after a reason, and Python itself if its options are wrong."""
_SAYS_NOTHING: Final = re.compile(
    r'^(?:  File "(?:<frozen [^"]+|[^"]*/(?:importlib/__init__|project/describe)\.py)", line \d+ in .*'
    r"|Fatal Python error: Aborted|Extension modules: .*)\n?",
    re.MULTILINE,
)
"""In the threads that ``faulthandler`` prints: how the app was imported, and our asking for it."""
_DESCRIBE: Final = Path(__file__).with_name("describe.py")


class ProjectError(RuntimeError):
    """The project cannot be described: not a Chalice project, or its app does not import."""


def refuse_what_is_no_project(app_dir: Path) -> None:
    """Return if there is an app in a directory, with its configuration.

    Raises:
        ProjectError: With what is missing.
    """
    if not (app_dir / "app.py").is_file():
        below = _app_below(app_dir)
        such_as = f", such as {shlex.quote(str(below))}" if below else ""
        raise ProjectError(
            f"{app_dir} has no app.py: give the directory of a Chalice project with --app{such_as}"
        )
    if not (app_dir / ".chalice" / "config.json").is_file():
        # Chalice's own .gitignore leaves out parts of that folder, other people's all of it.
        least = json.dumps({"version": "2.0", "app_name": app_dir.name})
        raise ProjectError(
            f"{app_dir} has no .chalice/config.json, as a clone may lack it; to begin with: {least}"
        )


def _app_below(directory: Path) -> Path | None:
    """Return the first app one or two folders below, as CDK's layout has it, with its settings rather than
    without; None if there is none.
    """
    below = [
        app
        for level in ("*", "*/*")
        for app in sorted(directory.glob(f"{level}/app.py"))
        if app.is_file()
        and not any(
            name.startswith(".") or name == "node_modules" for name in app.relative_to(directory).parts
        )
    ]
    configured = [app for app in below if (app.parent / ".chalice" / "config.json").is_file()]
    apps = configured or [app for app in below if _CHALICE.search(app.read_text(errors="replace"))]
    return apps[0].parent if apps else None


async def inspect_project(
    app_dir: Path,
    stage: str,
    environment: Mapping[str, str],
    python: str = sys.executable,
    *,
    answers: Mapping[str, str] | None = None,
) -> Project:
    """Return what the app consists of, as ``chalice deploy`` would see it.

    Args:
        python: The interpreter to import it on.
        answers: Values of expressions in variables; see ``project.resources``.

    Raises:
        ProjectError: With what the import printed last.
    """
    refuse_what_is_no_project(app_dir)
    ended = await run_to_its_end(
        [python, "-P", str(_DESCRIBE), str(app_dir), stage, json.dumps(dict(answers or {}))],
        environment=environment,
        directory=app_dir,
        timeout_s=_TIMEOUT_S,
    )
    text = _SAYS_NOTHING.sub("", ended.errors.decode(errors="replace")).strip()
    if ended.status is None:
        raise ProjectError(f"importing {app_dir}/app.py took more than {_TIMEOUT_S:.0f} s\n{text}".rstrip())
    if ended.status == 0 and ended.output:
        # What is not ours was printed before: by a script around the interpreter, or by the site's own code.
        described = json.loads(ended.output.splitlines()[-1])
        if refused := described.get("refused_configuration"):
            raise ProjectError(f"{app_dir}/.chalice/config.json: {refused}")
        return parse_project(described)
    if not text or ended.status not in _STATUSES_WITH_REASONS:
        text = f"{text}\nit ended the process {_manner(ended.status)}".lstrip()
    hints = "".join(f"\n{hint}" for hint in import_hints(text, stage, python, app_dir))
    raise ProjectError(f"{app_dir}/app.py does not import:\n{text}{hints}")


def _manner(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
