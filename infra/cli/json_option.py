"""``--json`` behind any command, as well as before it."""

from typing import Final

import click

from infra.cli.session import CliSession

_NAME: Final = "--json"


def accept_json(command: click.Command) -> None:
    """Have a command, or each of a group and of its groups, take ``--json``, unless it has such an option."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            accept_json(each)
    elif not any(_NAME in parameter.opts for parameter in command.params):
        command.params.append(_option())


def _option() -> click.Option:
    return click.Option(
        [_NAME], is_flag=True, expose_value=False, callback=_print_json, help="Print JSON, for scripts."
    )


def _print_json(context: click.Context, _parameter: click.Parameter, value: object) -> None:
    if value:
        session = context.find_object(CliSession)
        assert session is not None
        session.print_json()
