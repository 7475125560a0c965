"""Logins that may do in a test's database what functions may, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import URL, Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations.roles import APP_ROLE


def new_login(owner: Engine) -> URL:
    """Make a member of the application's role; return the address with its name."""
    login = f"login_{uuid4().hex[:8]}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {login} LOGIN PASSWORD 'app' IN ROLE {APP_ROLE}"))
    return owner.url.set(username=login, password="app")


@contextmanager
def as_function(owner: Engine) -> Iterator[Engine]:
    """Log in with a function's rights; the login is gone afterwards."""
    url = new_login(owner)
    engine = make_engine(url.render_as_string(hide_password=False))
    try:
        yield engine
    finally:
        engine.dispose()
        with owner.begin() as connection:
            connection.execute(text(f"DROP ROLE {url.username}"))
