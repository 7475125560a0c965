"""Statements on the driver's own connections, for what every order runs through.

SQLAlchemy keeps what is its strength: the pool, the drivers and the parameters' names. Its work
for each execution is left out; it was 110 of the 135 µs of processor time that a statement
took, and a batch of orders had fourteen.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Dialect, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import TimedPool
from chalicelib.adapters.postgres.error_translation import condemns_connection
from chalicelib.adapters.postgres.prepared import Operation, PreparedConnection

Row = Any
"""A named tuple of what the statement selects."""

_SHAPES_KEPT: Final = 500


class Statement:
    """SQL with ``:name`` parameters, written for a driver once."""

    def __init__(self, sql: str) -> None:
        self._clause: TextClause = text(sql)
        self._written: dict[str, tuple[str, Sequence[str] | None]] = {}

    def written_for(self, dialect: Dialect, parameters: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the statement and its parameters as the driver takes them."""
        found = self._written.get(dialect.driver)
        if found is None:
            compiled = self._clause.compile(dialect=dialect)
            found = self._written[dialect.driver] = (str(compiled), compiled.positiontup)
        sql, names = found
        return sql, parameters if names is None else [parameters[name] for name in names]


Asked = tuple[Statement, Mapping[str, Any]]


class DatabaseSession:
    """A connection while it is lent."""

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._is_finished = False

    def execute(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a statement; return its rows, none if it selects nothing.

        Raises:
            DBAPIError: The server refused it, or is gone.
        """
        sql, values = statement.written_for(self._dialect, parameters or {})
        try:
            if isinstance(self._connection, PreparedConnection):
                return _rows_of(self._connection.answer_of(sql, values))
            cursor = self._connection.cursor()
            cursor.execute(sql, values)
            rows = cursor.fetchall() if cursor.description else ()
            return _rows([column[0] for column in cursor.description or ()], rows)
        except self._dialect.loaded_dbapi.Error as error:
            raise self._named(error, sql) from error

    def execute_all(self, *asked: Asked) -> list[list[Row]]:
        """Run statements one after the other, in one round trip where the driver can;
        raises what ``execute`` does.
        """
        return self._together(asked, commits=False)

    def finish(self, *asked: Asked) -> list[list[Row]]:
        """Run the transaction's last statements and commit, likewise in one round trip."""
        found = self._together(asked, commits=True)
        self._is_finished = True
        return found

    def finish_and_ask(self, *asked: Asked, then: Asked) -> tuple[list[list[Row]], list[Row] | None]:
        """Finish as ``finish`` does, and ask for what is so after the commit, all in one round trip.

        Returns the rows of the transaction's statements, and those of ``then``: None if that failed, which
        leaves the commit as it is, or if the driver sends statements one by one and it would save nothing.
        """
        if not isinstance(self._connection, PreparedConnection):
            return self.finish(*asked), None
        operations = [statement.written_for(self._dialect, parameters) for statement, parameters in asked]
        last = then[0].written_for(self._dialect, then[1])
        contexts = self._sent_together(operations, commits=True, then=last)
        self._is_finished = True
        *found, answer = map(_rows_of, contexts)
        return found, None if contexts[-1].error is not None else answer

    def commit(self) -> None:
        """End the transaction, unless ``finish`` has done so; raises what ``execute`` does."""
        if self._is_finished:
            return
        try:
            self._connection.commit()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._named(error, "COMMIT") from error

    def _together(self, asked: Sequence[Asked], *, commits: bool) -> list[list[Row]]:
        if not isinstance(self._connection, PreparedConnection):
            found = [self.execute(statement, parameters) for statement, parameters in asked]
            if commits:
                self.commit()
            return found
        operations = [statement.written_for(self._dialect, parameters) for statement, parameters in asked]
        return [_rows_of(context) for context in self._sent_together(operations, commits=commits)]

    def _sent_together(
        self, operations: Sequence[Operation], *, commits: bool, then: Operation | None = None
    ) -> Sequence[Any]:
        try:
            contexts: Sequence[Any] = self._connection.execute_together(
                operations, commits=commits, then=then
            )
        except self._dialect.loaded_dbapi.Error as error:
            raise self._named(error, "; ".join(sql for sql, _ in operations)) from error
        return contexts

    def _named(self, error: Any, sql: str) -> DBAPIError:
        is_broken = condemns_connection(error) or self._dialect.is_disconnect(error, self._connection, None)
        return _as_dbapi_error(error, sql, self._dialect, is_broken=is_broken)


class Database:
    """Lends connections of an engine; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def execute(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement, which is a transaction of its own; return its rows.

        Raises:
            DBAPIError: The server refused it, or is gone.
            TimeoutError: SQLAlchemy's: no connection was free in time.
            OSError: There is no server.
        """
        dialect, pool = self._engine.dialect, self._engine.pool
        assert isinstance(pool, TimedPool), "an engine of make_engine"
        try:
            lent = pool.lend()
        except dialect.loaded_dbapi.Error as error:
            raise _as_dbapi_error(error, None, dialect, is_broken=True) from error
        connection = lent.dbapi_connection
        try:
            connection.autocommit = True
            rows = DatabaseSession(connection, dialect).execute(statement, parameters)
            # Left as SQLAlchemy's own users of the pool expect it.
            connection.autocommit = False
        except BaseException as error:
            if _breaks(error):
                self._give_up(lent, error)
            else:
                connection.autocommit = False
            raise
        finally:
            pool.take_back(lent)
        return rows

    @contextmanager
    def transaction(self) -> Iterator[DatabaseSession]:
        """Lend a connection for several statements: all of them count, or after an exception none.

        Raises what ``execute`` does.
        """
        with self._lent() as connection:
            session = DatabaseSession(connection, self._engine.dialect)
            yield session
            session.commit()

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        dialect = self._engine.dialect
        try:
            lent = self._engine.raw_connection()
        except dialect.loaded_dbapi.Error as error:
            raise _as_dbapi_error(error, None, dialect, is_broken=True) from error
        try:
            yield lent.dbapi_connection
        except BaseException as error:
            if _breaks(error):
                self._give_up(lent, error)
            raise
        finally:
            # Rolls back what was not committed.
            lent.close()

    def _give_up(self, lent: Any, error: BaseException) -> None:
        lent.invalidate(error)
        # Whatever ended this connection hardly spared the idle ones.
        self._engine.dispose()


def _breaks(error: BaseException) -> bool:
    """Return whether a connection is of no more use: it is gone, or was left in the middle of an exchange."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, OSError) or not isinstance(error, Exception)


def _as_dbapi_error(error: Exception, sql: str | None, dialect: Dialect, *, is_broken: bool) -> DBAPIError:
    named = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_broken,
        dialect=dialect,
    )
    assert isinstance(named, DBAPIError)
    return named


def _rows_of(context: Any) -> list[Row]:
    """Return the rows of an answer as pg8000 keeps it."""
    return _rows([column["name"] for column in context.columns or ()], context.rows or ())


def _rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    row_type = _row_type(tuple(names))
    return [row_type(*row) for row in rows]


@lru_cache(maxsize=_SHAPES_KEPT)
def _row_type(names: tuple[str, ...]) -> Callable[..., Row]:
    return namedtuple("Row", names, rename=True)  # noqa: PYI024  # its fields are known only now
