"""Secrets as Secrets Manager keeps them (moto's), and a database login that is rotated under its engine."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from moto import mock_aws
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from chalicelib.adapters.aws.secrets import Secrets, login_url
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.rotation import make_rotating_engine
from chalicelib.domain.errors import RetryableError

REGION = "us-east-1"


class Manager:
    """Secrets Manager, and how often it was asked for a value."""

    def __init__(self) -> None:
        self.fetches = 0
        self.session = botocore.session.get_session()
        self.session.register("before-call.secretsmanager.GetSecretValue", self._count)
        self._client: Any = self.session.create_client("secretsmanager", region_name=REGION)

    def create(self, value: str) -> str:
        return str(self._client.create_secret(Name=uuid.uuid4().hex, SecretString=value)["ARN"])

    def put(self, arn: str, value: str | bytes) -> None:
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        self._client.put_secret_value(SecretId=arn, **{kind: value})

    def secrets(self, lifespan_s: int = 300) -> Secrets:
        return Secrets(self.session, REGION, lifespan_s=lifespan_s)

    def _count(self, **_: object) -> None:
        self.fetches += 1


@pytest.fixture
def manager() -> Iterator[Manager]:
    with mock_aws():
        yield Manager()


def test_secret_is_fetched_once_and_then_kept(manager: Manager) -> None:
    arn = manager.create("first")
    secrets = manager.secrets()
    assert [secrets.text(arn) for _ in range(3)] == ["first"] * 3
    assert manager.fetches == 1


def test_kept_secret_is_fetched_again_once_its_lifespan_is_over(manager: Manager) -> None:
    arn = manager.create("first")
    secrets = manager.secrets(lifespan_s=1)
    assert secrets.text(arn) == "first"
    manager.put(arn, "second")
    while (value := secrets.text(arn)) == "first":
        time.sleep(0.05)
    assert value == "second"
    assert manager.fetches == 2


def test_fresh_value_is_fetched_before_the_lifespan_is_over_and_kept_then(manager: Manager) -> None:
    arn = manager.create("first")
    secrets = manager.secrets()
    secrets.text(arn)
    manager.put(arn, "second")
    assert [secrets.text(arn), secrets.text(arn, is_fresh=True), secrets.text(arn)] == [
        "first",
        "second",
        "second",
    ]
    assert manager.fetches == 2


def test_secret_that_cannot_be_read_is_a_passing_fault_that_does_not_name_it(manager: Manager) -> None:
    with pytest.raises(RetryableError) as fault:
        manager.secrets().text("arn:aws:secretsmanager:us-east-1:123456789012:secret:nothing-here")
    assert "nothing-here" not in fault.value.message


def test_secret_that_is_not_text_is_refused(manager: Manager) -> None:
    arn = manager.create("text")
    manager.put(arn, b"\x00\x01")
    with pytest.raises(RetryableError, match="not text"):
        manager.secrets().text(arn)


def test_no_aws_library_is_imported_before_a_secret_is_read() -> None:
    code = (
        "import sys; from chalicelib.adapters.aws.secrets import Secrets; Secrets(None, 'x');"
        "print(sys.modules.keys() & {'boto3', 'botocore', 'aws_lambda_powertools'})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"


class Rotating:
    """A database whose login is a secret,
    with two users of which one is let in at a time (as RDS alternates them).
    """

    def __init__(self, manager: Manager, owner_url: str) -> None:
        self._manager = manager
        self._address = make_url(owner_url)
        self._owner = make_engine(owner_url)
        self._users = [f"rotated_{uuid.uuid4().hex[:8]}" for _ in range(2)]
        with self._owner.begin() as connection:
            for user in self._users:
                connection.execute(text(f"CREATE ROLE {user} LOGIN"))
        self._arn = manager.create(self._login())
        secrets = manager.secrets()
        self.engine: Engine = make_rotating_engine(
            lambda *, is_fresh: login_url(secrets.text(self._arn, is_fresh=is_fresh))
        )

    def rotate(self) -> None:
        """Let the other user in, and the present one no more."""
        with self._owner.begin() as connection:
            connection.execute(text(f"ALTER ROLE {self._users[0]} NOLOGIN"))
        self._users.reverse()
        self._manager.put(self._arn, self._login())

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
def rotating(manager: Manager, database_url: str) -> Iterator[Rotating]:
    database = Rotating(manager, database_url)
    yield database
    database.end()


def test_login_is_fetched_once_while_the_server_accepts_it(manager: Manager, rotating: Rotating) -> None:
    assert [rotating.new_user() for _ in range(3)] == [rotating.current] * 3
    assert manager.fetches == 1


def test_refused_login_is_fetched_anew_although_the_kept_one_is_young(
    manager: Manager, rotating: Rotating
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
