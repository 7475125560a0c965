"""What every command shares: the database it talks to, and how it prints."""

import fcntl
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine, event, make_url
from sqlalchemy.exc import ArgumentError

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.tokens import Tokens
from infra.cli.database_login import DatabaseLogin
from infra.cli.parameters import is_host, wrong
from infra.cli.progress_lines import ProgressLines
from infra.cli.slow_database import engine_at, place_of

_POSTGRES: Final = re.compile(r"postgres(?:ql)?(\+(pg8000|psycopg))?://")
_TIME_LIMIT_S: Final = 5
"""For one answer about an order, or some."""

_PATIENCE_S: Final = 6 * 3_600
"""For one answer about all of a record: ten million orders are counted in seconds and audited in hours.
A server that does not even let in is not waited for so long.
"""


class CliSession:
    """One run of the command line."""

    def __init__(
        self, database_url: str | None, *, is_json: bool, login: DatabaseLogin | None = None
    ) -> None:
        self._database_url = database_url
        self._login = login
        self._is_json = is_json
        self._console = Console()
        self._closing: list[Callable[[], None]] = []

    @cached_property
    def engine(self) -> Engine:
        """The database: the one named, else that of the running runtime."""
        return self._engine()

    @cached_property
    def patient_engine(self) -> Engine:
        """The same, for who asks about all of its record and would rather wait than be told of a limit."""
        engine = self._engine(time_limit_s=_PATIENCE_S)
        event.listen(engine, "connect", _without_server_limit)
        return engine

    @property
    def database_place(self) -> str | None:
        """Return where the database is that was connected to; None if none was."""
        engine: Engine | None = vars(self).get("engine") or vars(self).get("patient_engine")
        return place_of(engine.url) if engine is not None else None

    @property
    def is_elsewhere(self) -> bool:
        """Return whether another database was named than the running runtime's."""
        return bool(self._database_url or self._login)

    def _engine(self, time_limit_s: int = _TIME_LIMIT_S) -> Engine:
        named = self._login.url() if self._login and not self._database_url else self._database_url
        url = named or _running_database_url()
        # Others have no driver here: SQLAlchemy would look for one.
        if self._database_url and not _POSTGRES.match(url):
            raise wrong("--database-url", "must be postgresql://user:password@host:port/database")
        try:
            if (host := make_url(url).host) and not is_host(host):
                raise wrong("--database-url", "names a host that cannot be looked up")
            return engine_at(url, time_limit_s=time_limit_s)
        except (ArgumentError, ValueError) as error:
            raise wrong("--database-url", error) from error

    def running_seed(self) -> str | None:
        """Return the wallet seed that the running runtime keeps; None if another database is looked into."""
        if self.is_elsewhere:
            return None
        try:
            secrets = json.loads((state_dir() / "secrets.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        seed: str | None = secrets.get("WALLET_SEED")
        return seed

    def running(self, name: str) -> Any:
        """Return what the running runtime says of itself; None if there is none, or it does not say."""
        if not _is_running():
            return None
        try:
            return json.loads(status_file().read_text(encoding="utf-8")).get(name)
        except (OSError, ValueError):
            return None

    def running_environment(self) -> Mapping[str, str] | None:
        """Return the settings with which the running runtime's use cases can be carried out here.

        None if another database was named, or no runtime is running.
        """
        database_url, aws = self.running("database_url"), self.running("aws")
        if self.is_elsewhere or not database_url or not aws:
            return None
        own = {"STAGE": "local", "AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1"}
        return {**own, "DATABASE_URL": database_url, **aws}

    def running_value(self, name: str) -> str | None:
        """Return a variable that a companion of the running runtime gave its functions, such as the local
        chain's address; None if another database is looked into, or there is no such companion.
        """
        if self.is_elsewhere:
            return None
        found: str | None = (self.running("given") or {}).get(name)
        return found

    @cached_property
    def tokens(self) -> Tokens:
        """The tokens that are traded: the engine's, as ``TOKENS_FILE`` names them for both."""
        path = os.environ.get("TOKENS_FILE")
        try:
            return load_tokens(Path(path)) if path else load_tokens()
        except (OSError, ValueError, KeyError) as error:
            raise click.ClickException(f"TOKENS_FILE: {path}: {error}") from error

    def at_end(self, close: Callable[[], None]) -> None:
        """Have something closed with the session."""
        self._closing.append(close)

    def close(self) -> None:
        """Close the connections that were made."""
        for close in self._closing:
            close()
        for name in ("engine", "patient_engine"):
            if name in self.__dict__:
                vars(self)[name].dispose()

    def print_json(self) -> None:
        """Print JSON from now on."""
        self._is_json = True

    def show(self, facts: Any, print_for_people: Callable[[Console], None]) -> None:
        """Print facts as JSON, or as people like to read them."""
        if self._is_json:
            click.echo(json.dumps(facts))
        else:
            print_for_people(self._console)

    def tell(self, facts: Mapping[str, Any], line: str) -> None:
        """Print one of several facts at once: as JSON on a line of its own, or as people like to read it."""
        click.echo(json.dumps(dict(facts), default=str) if self._is_json else line)

    def progress(self) -> Progress:
        """Return a progress bar on stderr; where that is no terminal, a line is printed now and then."""
        console = Console(stderr=True)
        return Progress(console=console, transient=True) if console.is_terminal else ProgressLines(console)


def is_given(option: str) -> bool:
    """Return whether an option of the running command, by its parameter's name, is no default."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


def state_dir() -> Path:
    return Path(os.environ.get("ORDERFLOW_HOME", ".orderflow"))


def status_file() -> Path:
    """Return where the runtime at ``ORDERFLOW_HOME`` says of itself what tools want to know."""
    return state_dir() / "status.json"


def _without_server_limit(connection: Any, _record: object) -> None:
    """Lift the limits that a stage's server sets for functions: an audit is one transaction, in which it also
    waits for archives and nodes.
    """
    connection.autocommit = True
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.cursor().execute(f"SET {limit} = 0")
    connection.autocommit = False


def _is_running() -> bool:
    """Return whether a runtime holds its directory's lock.

    A killed one leaves its status, and its ports may be another program's by now.
    """
    try:
        with (state_dir() / "lock").open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _running_database_url() -> str:
    try:
        url: str = json.loads(status_file().read_text(encoding="utf-8"))["database_url"]
    except (OSError, ValueError, KeyError) as error:
        raise click.ClickException(
            f"which database? {status_file()} names none, so give --database-url or set DATABASE_URL"
        ) from error
    return url
