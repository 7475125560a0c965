"""An engine whose login is a secret that may be rotated under it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pg8000
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.prepared import PreparedConnection

# SQLSTATE class: invalid authorization (PostgreSQL manual, appendix A).
_REFUSED_LOGIN: Final = "28"


def make_rotating_engine(read_url: Callable[[], str]) -> Engine:
    """Return an engine that asks for the login once, and again whenever the server refuses it.

    Open connections outlive a rotation; a new one that is refused is tried once more with what the secret says now.
    """

    def connect(
        _dialect: object, _record: object, arguments: Sequence[Any], options: dict[str, Any]
    ) -> PreparedConnection:
        try:
            return PreparedConnection(*arguments, **options)
        except pg8000.Error as error:
            if not _is_refused_login(error):
                raise
        login = make_url(read_url())
        # The same dictionary serves every later connection.
        options.update(user=login.username, password=login.password)
        return PreparedConnection(*arguments, **options)

    return make_engine(read_url(), connect=connect)


def _is_refused_login(error: Exception) -> bool:
    fields = error.args[0] if error.args else None
    return isinstance(fields, dict) and str(fields.get("C", "")).startswith(_REFUSED_LOGIN)
