"""Every command prints JSON if it is asked to, before its name or behind it."""

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from infra.cli.json_option import accept_json
from infra.cli.orderflow import orderflow
from infra.cli.session import CliSession


def leaves(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command)
        else:
            yield command


def test_each_command_of_the_operators_takes_the_option_once() -> None:
    for command in leaves(orderflow):
        assert [each.opts for each in command.params].count(["--json"]) == 1, command.name


@pytest.fixture
def program() -> click.Group:
    @click.group()
    @click.pass_context
    def program(context: click.Context) -> None:
        context.obj = CliSession(None, is_json=False)

    @program.group()
    def inner() -> None:
        pass

    @inner.command()
    @click.pass_obj
    def count(session: CliSession) -> None:
        session.show({"found": 3}, lambda console: console.print("three"))

    accept_json(program)
    return program


def test_command_in_a_group_prints_json_when_asked_behind_its_name(program: click.Group) -> None:
    done = CliRunner().invoke(program, ["inner", "count", "--json"])
    assert json.loads(done.output) == {"found": 3}
    assert CliRunner().invoke(program, ["inner", "count"]).output == "three\n"
