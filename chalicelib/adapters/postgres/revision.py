"""Whether the database has every migration that this release was made with.

Without one, statements may fail, or go on without a constraint that an order's one execution rests on.
So an older database is one that does not answer: messages come back, requests get 503. A newer one will do:
migrations suit the code before them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Engine, event

from chalicelib.adapters.postgres.error_translation import state_of, translated_errors
from chalicelib.domain.errors import MigrationsMissingError, RetryableError

_VERSION: Final = "SELECT version_num FROM public.alembic_version"

# SQLSTATEs: no such table, no such schema; and what letting the login in, the last step, would give it.
_UNPREPARED: Final = frozenset({"42P01", "3F000"})
_NO_RIGHT: Final = "42501"


def refuse_older(engine: Engine, revisions: Sequence[str]) -> None:
    """Have an engine connect to a database only that has all of ``revisions``, the newest one last.

    Connecting raises what ``check_revision`` does until it has; from then on it is not asked again.
    """

    def check(connection: Any, _record: object) -> None:
        def read() -> Any:
            cursor = connection.cursor()
            cursor.execute(_VERSION)
            return cursor.fetchone()

        before, connection.autocommit = connection.autocommit, True
        _check(read, revisions)
        connection.autocommit = before

    event.listen(engine, "first_connect", check)


def check_revision(engine: Engine, revisions: Sequence[str]) -> None:
    """Return if the database has all of ``revisions``.

    Raises:
        MigrationsMissingError: It lacks some.
        RetryableError: It does not answer, or its login was not let in.
    """
    with translated_errors(), engine.connect() as connection:
        # Asked by SQLAlchemy, which takes a connection that broke while it lay in the pool for one.
        _check(lambda: connection.exec_driver_sql(_VERSION).fetchone(), revisions)


def _check(read: Callable[[], Any], revisions: Sequence[str]) -> None:
    try:
        found = read()
    except Exception as error:
        state = state_of(getattr(error, "orig", None) or error)
        if state in _UNPREPARED:
            raise MigrationsMissingError(tuple(revisions)) from error
        if state == _NO_RIGHT:
            raise RetryableError("the engine's login was not let into the database") from error
        raise
    version = str(found[0]) if found else ""
    if missing := tuple(each for each in revisions if each > version):
        raise MigrationsMissingError(missing)
