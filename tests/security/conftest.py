"""The application in the real runtime, with tokens asked for, tight limits,
and a database login that owns nothing.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.prepare import prepare
from tests.security.captured import Captured, Exchange, captured
from tests.security.secured_app import SecuredApp
from tests.security.tokens import AUDIENCE, ISSUER, SECRET
from tests.support.app_login import new_login
from tests.support.busy_machine import PATIENCE
from tests.support.instance import REPOSITORY, Instance
from tests.support.threads import ended_backgrounds, left_behind

ENVIRONMENT: Final = PATIENCE | {
    "AUTH_MODE": "jwt",
    "JWT_SECRET": SECRET,
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "JWT_LEEWAY_S": "0",
    "ORDERS_PER_SECOND_MAX": "2",
    "ORDERS_BURST_MAX": "10",
    "CONNECTIONS_MAX": "3",
    "SUBSCRIPTIONS_MAX": "1",
    "ORDER_LOOKUP_WAIT_MS": "100",
    "QUOTE_LATENCY_MS": "0",
    "SETTLEMENT_LATENCY_MS": "0",
}


OPEN_HOUSE: Final = PATIENCE | {
    "AUTH_MODE": "none",
    "OPEN_ORDERS_MAX": "30",
    "ORDER_LOOKUP_WAIT_MS": "100",
    "QUOTE_LATENCY_MS": "0",
    # Long enough for many orders to be open at once.
    "SETTLEMENT_LATENCY_MS": "1000",
}


@pytest.fixture(scope="package")
def app_database_url(make_database: Callable[[], str]) -> str:
    """A prepared database, by way of a login that is a member of the application's role and nothing else."""
    url = make_database()
    prepare(url)
    engine = make_engine(url)
    login = new_login(engine)
    engine.dispose()
    return login.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="package")
def secured_app(app_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredApp]:
    state_dir: Path = tmp_path_factory.mktemp("secured-app")
    options: tuple[Any, ...] = ("--no-reload", "--verbose", "--database-url", app_database_url)
    app = REPOSITORY / "chalice_app"
    with Instance(app, state_dir, *options, environment=ENVIRONMENT, program="infra.run") as instance:
        yield SecuredApp(instance, app_database_url)


@pytest.fixture(scope="package")
def open_house(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """The application where all clients are one account, which may have few orders open."""
    state_dir: Path = tmp_path_factory.mktemp("open-house")
    options: tuple[Any, ...] = ("--no-reload", "--verbose", "--database-url", make_database())
    app = REPOSITORY / "chalice_app"
    with Instance(app, state_dir, *options, environment=OPEN_HOUSE, program="infra.run") as instance:
        yield instance


@pytest.fixture(scope="package")
def exchange(make_database: Callable[[], str]) -> Iterator[Exchange]:
    """A database that has been traded on, for functions that an attacker commands."""
    known = threading.enumerate()
    with ended_backgrounds():
        made = Exchange(make_database())
        made.trade()
        yield made
        made.close()
    assert left_behind(known) == []


@pytest.fixture
def attacker(exchange: Exchange) -> Iterator[Captured]:
    with captured(exchange) as lent:
        yield lent
