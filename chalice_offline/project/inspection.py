"""Describe a Chalice app by importing it in a child process."""

import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chalice_offline.project.functions import Project, parse_project
from chalice_offline.project.importing import run_to_its_end

_TIMEOUT_S: Final = 60.0
_MISSING: Final = re.compile(r"^ModuleNotFoundError: No module named '(([^'.]+)[^']*)'", re.MULTILINE)
_UNSET: Final = re.compile(
    r"""^  File "(?:<frozen os>|[^"]*/os\.py)", line \d+, in __getitem__\n(?:    .*\n)*KeyError: '(\w+)'$""",
    re.MULTILINE,
)
_TOO_OLD: Final = "Unknown option: -P"
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
    """Return the first app one or two folders below, as CDK's layout has it; None if there is none."""
    for level in ("*", "*/*"):
        for config in sorted(directory.glob(f"{level}/.chalice/config.json")):
            app_dir = config.parents[1]
            names = app_dir.relative_to(directory).parts
            hidden = any(name.startswith(".") or name == "node_modules" for name in names)
            if not hidden and (app_dir / "app.py").is_file():
                return app_dir
    return None


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
    hints = _variable_hint(text, stage) + _hint(text, python, app_dir)
    raise ProjectError(f"{app_dir}/app.py does not import:\n{text}{hints}")


def _manner(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def _variable_hint(text: str, stage: str) -> str:
    """Return where a variable that the app did not find can be set, nothing if it found all."""
    unset = _UNSET.search(text)
    places = f"environment_variables of config.json (for stage {stage}), or [environment] of local.toml"
    return f"\n{unset[1]} is not set: it can come from the shell, {places}" if unset else ""


def _hint(text: str, python: str, app_dir: Path) -> str:
    """Return what to do about an interpreter that is too old, or a package that is missing; else nothing."""
    if _TOO_OLD in text:
        return f"\nThe app runs on {python}, which is older than Python 3.11: name another with --python"
    found = _MISSING.search(text)
    if found is None or (app_dir / found[2]).is_dir():
        return ""  # of a package of the project's own, a part is missing: a clone may lack that too
    module, package = found.groups()
    runs_on = f"\nThe app runs on {python}"
    if module != package:  # of a package that is missing altogether, the error names no part
        return f"{runs_on}, whose {package} has no {module}: do the requirements ask for another release?"
    if package == "chalice":
        return f"\nInstall it beside the app's own requirements: {python} -m pip install chalice"
    if python != sys.executable:
        return f"{runs_on}, which has no {package}: install the app's requirements there."
    own = f"name the app's own environment: --python {_environment_near(app_dir)}"
    return f"{runs_on}, which has no {package}. Install the app's requirements there, or {own}"


def _environment_near(app_dir: Path) -> str:
    """Return a virtual environment that may be the app's: the one that the shell is in, or one beside it."""
    shell = os.environ.get("VIRTUAL_ENV")
    places = [Path(shell)] if shell else []
    places += [folder / name for folder in (app_dir, app_dir.parent) for name in (".venv", "venv", "env")]
    for place in places:
        if (place / "bin" / "python").exists() and place != Path(sys.prefix):
            return shlex.quote(str(place))
    return "path/to/venv"
