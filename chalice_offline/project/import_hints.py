"""What to do about an app that does not import, read from what Python printed."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MISSING: Final = re.compile(r"^ModuleNotFoundError: No module named '(([^'.]+)[^']*)'", re.MULTILINE)
_UNSET: Final = re.compile(
    r"""^  File "(?:<frozen os>|[^"]*/os\.py)", line \d+, in __getitem__\n(?:    .*\n)*KeyError: '(\w+)'$""",
    re.MULTILINE,
)
_UNNAMED_QUEUE: Final = "ValueError: Must provide either `queue` or `queue_arn` to the `on_sqs_message`"
_NOT_IN_THE_EMULATOR: Final = re.compile(
    r"^botocore\.\S+: An error occurred \((?:404|\S*(?:NotFound|NoSuch|NonExistent|DoesNotExist)\S*)\)",
    re.MULTILINE,
)
_NO_PROFILE: Final = re.compile(
    r"^botocore\.\S+ProfileNotFound: The config profile \((.+)\) could", re.MULTILINE
)
_CHALICE_FAILS: Final = re.compile(
    r"(?s)/chalice/__init__\.py.*^ImportError: cannot import name", re.MULTILINE
)
_TOO_OLD: Final = "Unknown option: -P"


def import_hints(text: str, stage: str, python: str, app_dir: Path) -> Iterator[str]:
    """Yield a sentence for each thing that the import lacked; none if Python says enough by itself.

    Args:
        python: The interpreter that the app was imported on.
    """
    places = f"environment_variables of config.json (for stage {stage}), or [environment] of local.toml"
    if unset := _UNSET.search(text):
        yield f"{unset[1]} is not set: it can come from the shell, {places}"
    if _UNNAMED_QUEUE in text:
        yield f"Is the variable that names the queue set? It can come from the shell, {places}"
    if _NOT_IN_THE_EMULATOR.search(text):
        yield (
            "What the app asks AWS for while it is imported has to be there before: declared in"
            " resources.json beside app.py, or made by a command of on_start in .chalice/local.toml"
        )
    if profile := _NO_PROFILE.search(text):
        yield (
            f"The app names the profile {profile[1]}. Functions have credentials in their environment and no"
            " profiles, here as on Lambda: let it name one only where AWS_ENDPOINT_URL is not set"
        )
    yield from _of_interpreter(text, python, app_dir)


def _of_interpreter(text: str, python: str, app_dir: Path) -> Iterator[str]:
    """Yield what to do about an interpreter that is too old, or a package that is missing."""
    if _TOO_OLD in text:
        yield f"The app runs on {python}, which is older than Python 3.11: name another with --python"
        return
    if _CHALICE_FAILS.search(text):
        yield f"The app runs on {python}, whose chalice is too old for it: 1.12 or later is needed"
        return
    found = _MISSING.search(text)
    if found is None or (app_dir / found[2]).is_dir():
        return  # of a package of the project's own, a part is missing: a clone may lack that too
    module, package = found.groups()
    runs_on = f"The app runs on {python}"
    if module != package:  # of a package that is missing altogether, the error names no part
        yield f"{runs_on}, whose {package} has no {module}: do the requirements ask for another release?"
    elif package == "chalice":
        yield f"Install it beside the app's own requirements: {python} -m pip install chalice"
    elif python != sys.executable:
        yield f"{runs_on}, which has no {package}: install the app's requirements there."
    else:
        own = f"name the app's own environment: --python {_environment_near(app_dir)}"
        yield f"{runs_on}, which has no {package}. Install the app's requirements there, or {own}"


def _environment_near(app_dir: Path) -> str:
    """Return a virtual environment that may be the app's: the one that the shell is in, or one beside it."""
    shell = os.environ.get("VIRTUAL_ENV")
    places = [Path(shell)] if shell else []
    places += [folder / name for folder in (app_dir, app_dir.parent) for name in (".venv", "venv", "env")]
    for place in places:
        if (place / "bin" / "python").exists() and place != Path(sys.prefix):
            return shlex.quote(str(place))
    return "path/to/venv"
