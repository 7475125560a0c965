"""Commands are imported when they are asked for."""

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infra.cli.late_commands import LateCommands
from infra.cli.orderflow import COMMANDS, orderflow
from infra.cli.session import CliSession

MODULE = """
import click

@click.command()
@click.pass_obj
def shown(session):
    "Show {name}."
    session.show("{name}", lambda console: console.print("{name} shown"))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> click.Group:
    monkeypatch.syspath_prepend(tmp_path)
    names = ("late_first", "late_second")
    for name in names:
        (tmp_path / f"{name}.py").write_text(MODULE.format(name=name))
        monkeypatch.delitem(sys.modules, name, raising=False)

    @click.group(cls=LateCommands, places={name: f"{name}:shown" for name in names})
    @click.pass_context
    def program(context: click.Context) -> None:
        context.obj = CliSession(None, is_json=False)

    return program


def test_command_is_run_without_the_modules_of_the_others(program: click.Group) -> None:
    assert CliRunner().invoke(program, ["late_first"]).output == "late_first shown\n"
    assert "late_second" not in sys.modules
    assert CliRunner().invoke(program, ["late_second", "--json"]).output == '"late_second"\n'


def test_help_has_a_line_for_each_command_and_an_unknown_one_is_refused(program: click.Group) -> None:
    shown = CliRunner().invoke(program, ["--help"]).output
    assert "Show late_first." in shown
    assert "Show late_second." in shown
    assert CliRunner().invoke(program, ["late_third"]).exit_code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_operators_is_called_what_its_module_calls_it(name: str) -> None:
    command = orderflow.get_command(click.Context(orderflow), name)
    assert command is not None
    assert command.name == name


def test_ctrl_c_in_a_command_ends_it_as_shells_have_it_and_says_nothing(program: click.Group) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    program.add_command(click.command("long")(interrupted))
    done = CliRunner().invoke(program, ["long"])
    assert (done.exit_code, done.output) == (130, "")
