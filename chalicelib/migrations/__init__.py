"""The database's shape, step by step; ``upgrade`` brings a database up to date."""

import time
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from chalicelib.adapters.postgres.error_translation import is_out_of_turn

# Two instances starting at once must not migrate at once; any constant of our own will do.
_LOCK_KEY: Final = 0x6F726465
_LOCK: Final = text("SELECT pg_try_advisory_lock(:key)")
# What a migration waits for, all functions that come after it wait for as well: so it waits a moment, lets
# them pass, and comes again, for some five minutes. Where it took two tables, and a function the other way
# round, the database ends either of them.
_TURN_MS: Final = 2_000
_PAUSE_S: Final = 1.0
_TURNS: Final = 100
_HERE: Final = Path(__file__).parent
_IS_VERSIONED: Final = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_VERSION: Final = text("SELECT version_num FROM alembic_version")


def revisions() -> tuple[str, ...]:
    """Return the revisions that the migrations lead to, the newest one last: their files begin with theirs.

    They are in the order of their texts, as ``down_revision`` has them.
    """
    return tuple(sorted(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*.py")))


def newest_revision() -> str:
    """Return the revision that the last migration leads to."""
    return revisions()[-1]


def upgrade(engine: Engine) -> str:
    """Apply the migrations that the database lacks; return the revision that it is at then.

    One that a later release has migrated is left as it is: migrations suit the code before them. Safe to call
    again, and from two places at once.
    """
    with engine.connect() as connection:
        # The server's own limit is made for what the functions ask.
        connection.execute(text("SET statement_timeout = 0"))
        # Asked for again and again: a statement that waits for it is one that the other's indexes wait for.
        while not connection.execute(_LOCK, {"key": _LOCK_KEY}).scalar_one():
            connection.commit()
            time.sleep(_PAUSE_S)
        connection.commit()
        try:
            connection.execute(text(f"SET lock_timeout = {_TURN_MS}"))
            connection.commit()
            revision = _version_of(connection)
            if revision < newest_revision():
                _apply_in_turn(connection)
                revision = newest_revision()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})
            connection.execute(text("RESET statement_timeout"))
            connection.execute(text("RESET lock_timeout"))
            connection.commit()
    return revision


def _version_of(connection: Connection) -> str:
    """Return the revision that the database is at, "" if none of ours was applied."""
    is_versioned = connection.execute(_IS_VERSIONED).scalar_one()
    version = connection.execute(_VERSION).scalar_one_or_none() if is_versioned else None
    connection.rollback()
    return version or ""


def _apply_in_turn(connection: Connection) -> None:
    """Apply what is missing, again where functions came between.

    Each migration is one transaction, or safe to begin again.
    """
    for turns_left in reversed(range(_TURNS)):
        try:
            _apply(connection)
        except DBAPIError as error:
            connection.rollback()
            if not (turns_left and is_out_of_turn(error)):
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _apply(connection: Connection) -> None:
    # A third of what a start imports, and most find nothing to apply.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # A % of a path would begin an interpolation.
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except PendingRollbackError as error:
        # What cleans up behind a statement whose connection is gone fails too, and says nothing of why.
        reason = error.__context__
        if isinstance(reason, DBAPIError):
            raise reason from reason.orig
        raise
