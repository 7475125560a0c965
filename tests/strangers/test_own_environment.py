"""An app whose dependencies are in a virtual environment of its own."""

import json
import subprocess
import sys
import sysconfig
import urllib.request
import venv
from pathlib import Path

import pytest

from chalice_offline.lambda_host.fork_server import __file__ as fork_server
from tests.support.instance import TIME_LIMIT_S, Instance

APP = """
import sys
import only_here
from chalice import Chalice
app = Chalice(app_name="own")

@app.route("/")
def index():
    return {"answer": only_here.ANSWER, "prefix": sys.prefix}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app" / ".chalice").mkdir(parents=True)
    (tmp_path / "app" / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "own"}')
    (tmp_path / "app" / "app.py").write_text(APP)
    return tmp_path / "app"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with a library of its own, and with ours instead of an installed chalice."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (library,) = folder.glob("lib/python*/site-packages")
    (library / "only_here.py").write_text("ANSWER = 42\n")
    (library / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.mark.parametrize("place", [".", "bin/python"])
def test_functions_run_in_the_environment_that_is_named(
    project: Path, environment: Path, tmp_path: Path, place: str
) -> None:
    options = ("--no-reload", "--python", str(environment / place))
    with (
        Instance(project, tmp_path / "state", *options) as instance,
        urllib.request.urlopen(f"{instance.rest_url}/") as answer,
    ):
        assert json.load(answer) == {"answer": 42, "prefix": str(environment)}


def test_missing_module_is_told_with_what_to_do(project: Path, tmp_path: Path) -> None:
    instance = Instance(project, tmp_path / "state")
    assert instance.process.wait(TIME_LIMIT_S) == 1
    instance.stop()
    hint = f"The app runs on {sys.executable}, which has no only_here. "
    assert any(line.startswith(hint) and "--python path/to/venv" in line for line in instance.lines)


def test_module_that_the_named_environment_lacks_is_to_be_installed_there(
    project: Path, environment: Path, tmp_path: Path
) -> None:
    (library,) = environment.glob("lib/python*/site-packages/only_here.py")
    library.unlink()
    instance = Instance(project, tmp_path / "state", "--python", str(environment))
    assert instance.process.wait(TIME_LIMIT_S) == 1
    instance.stop()
    python = environment / "bin" / "python"
    assert f"The app runs on {python}, which has no only_here: install the app's requirements there." in (
        instance.lines
    )


def test_environment_without_simplejson_is_lent_ours_for_the_runtime_alone(tmp_path: Path) -> None:
    package = tmp_path / "lent" / "simplejson"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from . import inner\nclass JSONEncoder:\n    def __init__(self, **_): pass\n    encode = None\n"
    )
    (package / "inner.py").write_text("")
    program = (
        "import sys, runpy; server = runpy.run_path(sys.argv[1]);"
        "bootstrap = server['load_neighbours'](sys.argv[2]).bootstrap;"
        "print(bootstrap.marshalled is not None, [name for name in sys.modules if 'simplejson' in name])"
    )
    shown = subprocess.run(
        [sys.executable, "-S", "-c", program, fork_server, str(package)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "True []\n"
