"""The stores that a contract is tried on: the fake that other tests build on, and the real one."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.postgres.engine import make_engine
from tests.contract.records import Store, in_memory, on_postgres


@pytest.fixture(scope="session")
def contract_engine(make_database: Callable[[], str]) -> Iterator[Engine]:
    """One database for all contracts: their orders have accounts and ids of their own."""
    engine = make_engine(make_database())
    yield engine
    engine.dispose()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return in_memory()
    return on_postgres(request.getfixturevalue("contract_engine"))
