"""One version, wherever it is shown."""

from pathlib import Path

from click.testing import CliRunner

from infra.cli.orderflow import orderflow
from infra.specs.asyncapi import asyncapi
from infra.specs.openapi import openapi
from infra.version import VERSION


def test_command_line_and_specifications_show_the_projects_version() -> None:
    shown = CliRunner().invoke(orderflow, ["--version"], prog_name="orderflow")
    assert shown.output == f"orderflow, version {VERSION}\n"
    assert openapi()["info"]["version"] == asyncapi()["info"]["version"] == VERSION


def test_changelog_has_a_section_for_the_version() -> None:
    assert f"## {VERSION}" in (Path(__file__).parents[3] / "CHANGELOG.md").read_text()
