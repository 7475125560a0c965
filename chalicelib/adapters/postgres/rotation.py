"""An engine whose login is a secret that may be rotated under it."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import pg8000
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import state_of
from chalicelib.adapters.postgres.prepared import PreparedConnection

# SQLSTATE class: invalid authorization (PostgreSQL manual, appendix A).
_REFUSED_LOGIN: Final = "28"


class ReadUrl(Protocol):
    def __call__(self, *, is_fresh: bool) -> str:
        """Return the URL with the login; ``is_fresh``: as the secret is now, not as it was read before."""
        ...


def make_rotating_engine(read_url: ReadUrl) -> Engine:
    """Return an engine that asks for the login once, and again whenever the server refuses it.

    Open connections outlive a rotation; a new one that is refused is
    tried once more with what the secret says now.
    """
    current: dict[str, Any] = {}

    def connect(
        _dialect: object, _record: object, arguments: Sequence[Any], options: dict[str, Any]
    ) -> PreparedConnection:
        nonlocal current
        try:
            return PreparedConnection(*arguments, **options | current)
        except pg8000.Error as error:
            if not (state_of(error) or "").startswith(_REFUSED_LOGIN):
                raise
        login = make_url(read_url(is_fresh=True))
        # The engine goes on handing out the options that it was made with.
        current = {"user": login.username, "password": login.password}
        return PreparedConnection(*arguments, **options | current)

    return make_engine(read_url(is_fresh=False), connect=connect)
