"""Tells in one sentence that the database does not answer, whatever command has asked it."""

from typing import Any, Final

import click
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import is_passing

NOT_ANSWERED: Final = 4
"""The exit status, apart from those by which a command says what it has found."""


class DatabaseFaultError(click.ClickException):
    """The database does not answer, or not now."""

    exit_code = NOT_ANSWERED


class DatabaseCommands(click.Group):
    """Commands of which any may ask the database. What is no passing fault of it is a defect, and escapes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DBAPIError as error:
            if not is_passing(error):
                raise
            raise DatabaseFaultError(f"the database does not answer: {_said(error)}") from error


def _said(error: DBAPIError) -> str:
    """Return what the server says, or else the driver; the statement and its parameters are no help."""
    arguments = error.orig.args if error.orig else ()
    fields = arguments[0] if arguments else None
    return str(fields.get("M", fields) if isinstance(fields, dict) else error.orig)
