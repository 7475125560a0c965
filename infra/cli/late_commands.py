"""Commands that are imported when they are asked for: each has libraries of its own, which take a second."""

import signal
from importlib import import_module
from typing import Any, Final

import click

from infra.cli.database_faults import DatabaseCommands
from infra.cli.json_option import accept_json

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as shells have it."""


class LateCommands(DatabaseCommands):
    """A group that knows its commands by their names, and where they are."""

    def __init__(self, *arguments: Any, places: dict[str, str], **settings: Any) -> None:
        """Take the arguments of ``click.Group``.

        Args:
            places: By name of a command, its module and its name there: ``infra.cli.orders:order``.
        """
        super().__init__(*arguments, **settings)
        self._places = places

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Not click's 1, by which some commands say what they have found.
            ctx.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._places and cmd_name not in self.commands:
            module, _, name = self._places[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), name)
            accept_json(command)
            self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)
