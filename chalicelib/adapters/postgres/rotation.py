"""An engine whose login is a secret that may be rotated under it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from chalicelib.adapters.postgres.engine import make_engine

# SQLSTATE class: invalid authorization (PostgreSQL manual, appendix A).
_REFUSED_LOGIN = "28"


def make_rotating_engine(read_url: Callable[[], str]) -> Engine:
    """Return an engine that asks for the login once, and again whenever the server refuses it.

    Open connections outlive a rotation; a new one that is refused is tried once more with what the secret says now.
    """
    engine = make_engine(read_url())

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> DBAPIConnection:
        try:
            return dialect.connect(*arguments, **options)
        except dialect.loaded_dbapi.Error as error:
            if not _is_refused_login(error):
                raise
        login = make_url(read_url())
        # The same dictionary serves every later connection.
        options.update(user=login.username, password=login.password)
        return dialect.connect(*arguments, **options)

    return engine


def _is_refused_login(error: BaseException) -> bool:
    fields = error.args[0] if error.args else None
    state = (
        fields.get("C", "") if isinstance(fields, dict) else getattr(error, "sqlstate", None) or str(error)
    )
    return state.startswith(_REFUSED_LOGIN) or "password authentication failed" in state
