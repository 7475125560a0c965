"""Fixtures that every kind of test may use."""

from collections.abc import Callable, Iterator

import pytest

from chalicelib.logs import logger
from tests.support.postgres_server import migrated_template, postgres_server


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A real PostgreSQL server for this run."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[Callable[[], str]]:
    """A function that returns the URL of a fresh, migrated database."""
    with migrated_template(server_url) as make:
        yield make


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    """A fresh, migrated database of the test's own."""
    return make_database()


@pytest.fixture(autouse=True)
def no_correlation_id() -> Iterator[None]:
    """The logger belongs to the process: the request that a test made is not the next test's."""
    yield
    logger.set_correlation_id(None)
