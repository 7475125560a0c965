"""The package as it is installed."""

import tomllib
from pathlib import Path

from click.testing import CliRunner

import chalice_offline
from chalice_offline.cli import command_line, main
from chalice_offline.version import VERSION

FOLDER = Path(chalice_offline.__file__).parent


def test_every_folder_with_code_is_installed() -> None:
    listed = tomllib.loads((FOLDER / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {file.parent.relative_to(FOLDER.parent) for file in FOLDER.rglob("*.py")}
    assert set(listed) == {".".join(folder.parts) for folder in folders if "build" not in folder.parts}


def test_command_line_shows_its_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"chalice-offline, version {VERSION}\n"


def test_version_has_its_place_in_the_changelog_which_is_packed() -> None:
    headings = [line for line in (FOLDER / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    released = [heading for heading in headings if heading != "## Unreleased"]
    assert released[0].split()[1] == VERSION
    assert "CHANGELOG.md" in (FOLDER / "MANIFEST.in").read_text()


def test_projects_own_command_line_has_its_variables_and_defaults(tmp_path: Path) -> None:
    own = command_line("EXCHANGE", {"port": 4000, "state_dir": tmp_path / "state"})
    shown = " ".join(CliRunner().invoke(own, ["start", "--help"]).output.split())
    assert "EXCHANGE_PORT; default: 4000" in shown
    assert "CHALICE_OFFLINE" not in shown
    assert "env var: DATABASE_URL" in shown


def test_reset_wipes_the_state_of_the_app_in_the_current_directory_or_the_named_one(tmp_path: Path) -> None:
    state = tmp_path / ".chalice-offline"
    for options in (["--app", str(tmp_path)], ["--state-dir", str(state)]):
        (state / "logs").mkdir(parents=True)
        result = CliRunner().invoke(main, ["reset", *options])
        assert (result.exit_code, result.output) == (0, f"wiped {state}\n")
        assert not state.exists()
    assert CliRunner().invoke(main, ["reset", "--app", str(tmp_path)]).exit_code == 0
