"""Tells in one sentence that the database does not answer, or is older than the command that asks it."""

from typing import Any, Final

import click
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import is_passing, said
from chalicelib.adapters.postgres.revision import check_revision
from chalicelib.domain.errors import MigrationsMissingError, RetryableError
from chalicelib.migrations import revisions
from infra.cli.session import CliSession

NOT_ANSWERED: Final = 4
"""The exit status, apart from those by which a command says what it has found."""


class DatabaseFaultError(click.ClickException):
    """The database does not answer, or not now."""

    exit_code = NOT_ANSWERED


class DatabaseCommands(click.Group):
    """Commands of which any may ask the database.

    What a database refuses that answers, and has every migration, is a defect, and escapes.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RetryableError as error:
            raise DatabaseFaultError(error.message) from error
        except DBAPIError as error:
            if is_passing(error):
                place = ctx.obj.database_place if isinstance(ctx.obj, CliSession) else None
                told = f"the database{f' at {place}' if place else ''} does not answer: {said(error)}"
                raise DatabaseFaultError(told) from error
            if isinstance(ctx.obj, CliSession):
                _check_revision(ctx.obj)
            raise


def _check_revision(session: CliSession) -> None:
    """Raise ``DatabaseFaultError`` if the session's database lacks a migration."""
    try:
        check_revision(session.engine, revisions())
    except MigrationsMissingError as error:
        remedy = "which make run and make deploy apply, or .venv/bin/python -m chalicelib.prepare"
        raise DatabaseFaultError(f"{error.message}, {remedy}") from error
