"""Fixtures that every kind of test may use."""

import functools
import gc
import os
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import hypothesis
import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.logs import logger
from tests.support.cluster import clusters_kept_in
from tests.support.first_imports import import_in_turn
from tests.support.postgres_server import PATIENCE_S, Databases, migrated_template, postgres_server
from tests.support.telling import tell_what_is_shown
from tests.support.threads import left_behind
from tests.support.work_plan import WorkPlan, part_of, planned


def pytest_sessionstart(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        tell_what_is_shown(session.config.option, session.config.pluginmanager)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    if (worker := getattr(session.config, "workerinput", None)) is not None:
        folders = [path.absolute() for path in map(Path, session.config.args) if path.is_dir()]
        place = int(worker["workerid"].removeprefix("gw"))
        import_in_turn(folders, session.config.rootpath, place=place, places=worker["workercount"])


# What collecting the tests makes stays to the end, and is not searched for garbage, then or later.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    # A property makes thousands of objects an example, and next to none in circles: to search for those took
    # a fortieth of the processor time of unit tests and simulation.
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


# What botocore reads of its services' models is read once a process: each session read it anew, which took a
# seventh of the processor time of the integration tests.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# How long a database takes to answer says how busy the machine is: the application's five seconds are few for
# tens of thousands of rows, which tests write in one statement. What is left of an invocation still counts.
make_engine.__kwdefaults__ = {**(make_engine.__kwdefaults__ or {}), "time_limit_s": PATIENCE_S}

# How long an example takes says how busy the machine is.
# The suite draws the same examples each time, so that a run says something of the change that it is for.
# `--hypothesis-profile=explore` draws others, and more.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkPlan | None:
    return WorkPlan(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first; within a part, pytest has its own reasons for the order."""
    parts = {item: part_of(item.nodeid.partition("::")[0]) for item in items}
    places = planned(item.nodeid.partition("::")[0] for item in items)
    places_of = {part: place for place, part in enumerate(places)}
    items.sort(key=lambda item: places_of[parts[item]])


# pytest's own, and those of the process that shares out the tests.
_KNOWN_THREADS = set(threading.enumerate())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Fail the last test of a file of unit tests if a thread that the file started goes on."""
    try:
        yield
    finally:
        _forget_the_test()
    here = item.nodeid.partition("::")[0]
    if nextitem is None or nextitem.nodeid.partition("::")[0] != here:
        threads = left_behind(_KNOWN_THREADS) if here.startswith("tests/unit/") else []
        _KNOWN_THREADS.update(threading.enumerate())  # the next file is not to blame
        assert threads == [], f"threads that {here} started and left running"


@pytest.fixture(scope="session", autouse=True)
def cluster_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have all processes of a run share what their instances' databases begin with."""
    own = tmp_path_factory.getbasetemp()
    with clusters_kept_in((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cluster"):
        yield


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A real PostgreSQL server for this run."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[Databases]:
    """A function that returns the URL of a fresh, migrated database."""
    with migrated_template(server_url) as make:
        yield make


@pytest.fixture
def database_url(make_database: Databases) -> Iterator[str]:
    """A fresh, migrated database of the test's own."""
    url = make_database()
    yield url
    make_database.drop(url)


def _forget_the_test() -> None:
    """Forget what belongs to the process, and is not the next test's: its credentials and its request.

    By no fixture: those took a quarter of a millisecond a test.
    """
    if (boto3 := sys.modules.get("boto3")) is not None:
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]  # of the module
    logger.set_correlation_id(None)
