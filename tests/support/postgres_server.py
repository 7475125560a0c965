"""A throw-away PostgreSQL server for a test run, and databases on it that cost milliseconds."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError

from chalice_offline.services.postgres_binaries import postgres_binaries
from chalice_offline.services.privileges import become_nobody, die_with_parent, runs_as_root, unprivileged_ids
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations import upgrade
from tests.support.memory import folder_in_memory, is_in_memory
from tests.support.ports import free_port

TEMPLATE = "migrated"
GIVEN = "TEST_DATABASE_URL"
PATIENCE_S = 120
"""For making a database, or filling one with many rows: how long that takes says how busy the machine is."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server's own database; stop the server and remove its files at the end.

    ``TEST_DATABASE_URL`` names a server to use instead; its user must be able to create databases.
    """
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    with folder_in_memory() as folder, _running(folder) as url:
        yield url


class Databases:
    """Fresh, migrated databases: called, it makes one and returns its URL."""

    def __init__(self, server_url: str, admin: Engine, template: str) -> None:
        self._server_url = server_url
        self._admin = admin
        self._template = template
        self._made = {template}
        # On a disk, files cost more to copy than pages to write; and another's server has work of its own.
        there = self._execute("SELECT current_setting('data_directory')").scalar_one()
        self._strategy = "FILE_COPY" if is_in_memory(there) else "WAL_LOG"

    def __call__(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY {self._strategy}')
        self._made.add(name)
        return sibling(self._server_url, name)

    def copies_of(self, url: str) -> "Databases":
        """Return what makes copies of one of them, to which there is no connection any more."""
        return Databases(self._server_url, self._admin, url.rpartition("/")[2])

    def drop(self, url: str) -> None:
        """Drop one of them, whoever is still connected to it."""
        name = url.rpartition("/")[2]
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._made.remove(name)

    def drop_all(self) -> None:
        for name in self._made:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> CursorResult[Any]:
        with self._admin.connect() as connection:
            return connection.execute(text(statement))


@contextmanager
def migrated_template(server_url: str) -> Iterator[Databases]:
    """Yield what makes fresh, migrated databases.

    They are dropped where the server goes on after the run; ours ends with its files.
    """
    patient = make_engine(server_url, time_limit_s=PATIENCE_S)
    admin = patient.execution_options(isolation_level="AUTOCOMMIT")
    template = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{template}"'))
    engine = make_engine(sibling(server_url, template))
    upgrade(engine)
    engine.dispose()
    databases = Databases(server_url, admin, template)
    try:
        yield databases
    finally:
        if GIVEN in os.environ:
            databases.drop_all()
        admin.dispose()


def sibling(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return f"{url.rpartition('/')[0]}/{database}"


@contextmanager
def _running(folder: Path) -> Iterator[str]:
    data = initialised(folder)
    with serving(data, free_port()) as (url, _):
        yield url


def initialised(folder: Path) -> Path:
    """Make the files of a server in a folder that is ours; return where."""
    data = servers_folder(folder / "data")
    run_as_server(
        "initdb", "-D", str(data), "-U", "app", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
    )
    return data


def servers_folder(path: Path) -> Path:
    """Make a folder that the user owns as whom servers run."""
    path.mkdir(mode=0o700)
    if runs_as_root():
        path.parent.chmod(0o755)
        os.chown(path, *unprivileged_ids())
    return path


def run_as_server(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the user that owns its files, who is not root."""
    command = (str(postgres_binaries() / program), *arguments)
    subprocess.run(command, check=True, capture_output=True, preexec_fn=_as_server())


@contextmanager
def serving(data: Path, port: int, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server on files that are there; yield its own database's URL, and its process."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        # Its data does not outlive the run, and databases are made and dropped much faster.
        "fsync": "off",
        "full_page_writes": "off",
        # Statistics that come by a clock would have a statement planned now so, now otherwise.
        "autovacuum": "off",
        **settings,
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    command = (str(postgres_binaries() / "postgres"), "-D", str(data), "-p", str(port), *options)
    with (data.parent / f"{data.name}.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_as_server())
    try:
        url = f"postgresql://app:app@127.0.0.1:{port}/postgres"
        _wait_until_it_answers(url, server)
        yield url, server
    finally:
        # At once, without writing down what is about to be removed.
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _as_server() -> Callable[[], None]:
    return become_nobody(signal.SIGINT) if runs_as_root() else die_with_parent(signal.SIGINT)


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = make_engine(url)
    while server.poll() is None:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (InterfaceError, DBAPIError):
            time.sleep(0.02)
        else:
            engine.dispose()
            return
    raise RuntimeError("the test server of PostgreSQL ended while it started")
