"""A database login that is rotated under its engine."""

import json
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from chalicelib.adapters.aws.secrets import login_url
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.rotation import make_rotating_engine
from tests.fakes.secrets_manager import FakeSecretsManager

ARN = "arn"


@pytest.fixture
def manager() -> FakeSecretsManager:
    return FakeSecretsManager()


class Rotating:
    """A database whose login is a secret,
    with two users of which one is let in at a time (as RDS alternates them).
    """

    def __init__(self, manager: FakeSecretsManager, owner_url: str) -> None:
        self._manager = manager
        self._address = make_url(owner_url)
        self._owner = make_engine(owner_url)
        self._users = [f"rotated_{uuid.uuid4().hex[:8]}" for _ in range(2)]
        with self._owner.begin() as connection:
            for user in self._users:
                connection.execute(text(f"CREATE ROLE {user} LOGIN"))
        manager.values[ARN] = self._login()
        secrets = manager.secrets()
        self.engine: Engine = make_rotating_engine(
            lambda *, is_fresh: login_url(secrets.text(ARN, is_fresh=is_fresh))
        )

    def rotate(self) -> None:
        """Let the other user in, and the present one no more."""
        with self._owner.begin() as connection:
            connection.execute(text(f"ALTER ROLE {self._users[0]} NOLOGIN"))
        self._users.reverse()
        self._manager.values[ARN] = self._login()

    def new_user(self) -> str:
        """Return whom a new connection is."""
        self.engine.dispose()
        with self.engine.connect() as connection:
            return str(connection.execute(text("SELECT current_user")).scalar_one())

    @property
    def current(self) -> str:
        return self._users[0]

    def end(self) -> None:
        self.engine.dispose()
        with self._owner.begin() as connection:
            for user in self._users:
                connection.execute(text(f"DROP ROLE {user}"))
        self._owner.dispose()

    def _login(self) -> str:
        address = self._address
        return json.dumps(
            {
                "username": self.current,
                "password": "any",
                "host": address.host,
                "port": address.port,
                "dbname": address.database,
            }
        )


@pytest.fixture
def rotating(manager: FakeSecretsManager, database_url: str) -> Iterator[Rotating]:
    database = Rotating(manager, database_url)
    yield database
    database.end()


def test_login_is_fetched_once_while_the_server_accepts_it(
    manager: FakeSecretsManager, rotating: Rotating
) -> None:
    assert [rotating.new_user() for _ in range(3)] == [rotating.current] * 3
    assert manager.fetches == 1


def test_refused_login_is_fetched_anew_although_the_kept_one_is_young(
    manager: FakeSecretsManager, rotating: Rotating
) -> None:
    rotating.new_user()
    rotating.rotate()
    assert [rotating.new_user() for _ in range(2)] == [rotating.current] * 2
    assert manager.fetches == 2


def test_open_connection_outlives_a_rotation(rotating: Rotating) -> None:
    with rotating.engine.connect() as connection:
        before = connection.execute(text("SELECT current_user")).scalar_one()
        rotating.rotate()
        assert connection.execute(text("SELECT current_user")).scalar_one() == before != rotating.current
