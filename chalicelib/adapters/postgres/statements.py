"""Statements on the driver's own connections, for what every order runs through.

SQLAlchemy keeps what is its strength: the pool, the drivers and the parameters' names. Its work
for each execution is left out; it was 110 of the 135 µs of processor time that a statement
took, and a batch of orders had fourteen.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Dialect, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import TimedPool
from chalicelib.adapters.postgres.error_translation import condemns_connection
from chalicelib.adapters.postgres.prepared import Operation, PreparedConnection
from chalicelib.adapters.postgres.prepared_statement import Answer

Row = Any
"""A named tuple of what the statement selects."""

_SHAPES_KEPT: Final = 500


class Statement:
    """SQL with ``:name`` parameters, written for a driver once."""

    def __init__(self, sql: str) -> None:
        self._clause: TextClause = text(sql)
        self._written: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {}

    def written_for(self, dialect: Dialect, parameters: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the statement and its parameters as the driver takes them."""
        found = self._written.get(dialect.driver)
        if found is None:
            compiled = self._clause.compile(dialect=dialect)
            found = self._written[dialect.driver] = (str(compiled), _chosen(compiled.positiontup))
        sql, chosen = found
        return sql, chosen(parameters)


def _chosen(names: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any]:
    """Return what chooses parameters by position; by name, all of them are passed on."""
    match names:
        case None:
            return lambda parameters: parameters
        case []:
            return lambda _: ()
        case [name]:
            return lambda parameters: (parameters[name],)
        case _:
            return itemgetter(*names)


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
        pool, lent = self.lend()
        connection, broken = lent.dbapi_connection, None
        try:
            connection.autocommit = True
            rows = DatabaseSession(connection, self.dialect).execute(statement, parameters)
        except BaseException as error:
            broken = error
            raise
        finally:
            if broken is None or not _breaks(broken):
                # Left as SQLAlchemy's own users of the pool expect it.
                connection.autocommit = False
            self.take_back(pool, lent, broken)
        return rows

    def transaction(self) -> AbstractContextManager[DatabaseSession]:
        """Lend a connection for several statements: all of them count, or after an exception none.

        Raises what ``execute`` does.
        """
        return _Transaction(self)

    def lend(self) -> tuple[TimedPool, Any]:
        """Return a pool and its entry of a connection, for ``take_back``; raises what ``execute`` does."""
        pool = self._engine.pool
        assert isinstance(pool, TimedPool), "an engine of make_engine"
        try:
            return pool, pool.lend()
        except self.dialect.loaded_dbapi.Error as error:
            raise _as_dbapi_error(error, None, self.dialect, is_broken=True) from error
        except DBAPIError as error:
            # SQLAlchemy's, of what it asks a first connection itself: what is to be executed was not sent.
            original = error.orig
            assert isinstance(original, Exception), "the driver's"
            raise _as_dbapi_error(original, None, self.dialect, is_broken=True) from error

    def take_back(self, pool: TimedPool, lent: Any, error: BaseException | None) -> None:
        """Keep a connection as it came, unless it is of no more use after ``error``."""
        if error is not None and _breaks(error):
            lent.invalidate(error)
            # Whatever ended this connection hardly spared the idle ones.
            self._engine.dispose()
        pool.take_back(lent)

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect


# A class, not a generator: each batch of orders enters three, and a generator takes three times the
# instructions.
class _Transaction(AbstractContextManager[DatabaseSession]):
    _pool: TimedPool
    _lent: Any
    _session: DatabaseSession

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> DatabaseSession:
        self._pool, self._lent = self._database.lend()
        self._session = DatabaseSession(self._lent.dbapi_connection, self._database.dialect)
        return self._session

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self._session.commit()
        except BaseException as refused:
            error = refused
            raise
        finally:
            if error is not None and not _breaks(error):
                self._undo()
            self._database.take_back(self._pool, self._lent, error)

    def _undo(self) -> None:
        """Undo what was not committed; a connection that cannot even do that is replaced."""
        try:
            self._lent.dbapi_connection.rollback()
        except Exception as error:  # noqa: BLE001  # what ended the transaction is what is told
            self._lent.invalidate(error)


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


def _rows_of(answer: Any) -> list[Row]:
    """Return the rows of an answer; of a statement that is prepared, their type is made once."""
    if not answer.rows:
        return []
    if not isinstance(answer, Answer):
        return _rows([column["name"] for column in answer.columns], answer.rows)
    row_type = answer.prepared.row_type
    if row_type is None:
        row_type = answer.prepared.row_type = _row_type(tuple(column["name"] for column in answer.columns))
    return [_row(row_type, row) for row in answer.rows]


def _rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    row_type = _row_type(tuple(names))
    return [_row(row_type, row) for row in rows]


# A named tuple made by itself takes its values one by one, by name.
_row: Final[Callable[[type[Row], Sequence[Any]], Row]] = tuple.__new__


@lru_cache(maxsize=_SHAPES_KEPT)
def _row_type(names: tuple[str, ...]) -> type[Row]:
    return namedtuple("Row", names, rename=True)  # noqa: PYI024  # its fields are known only now
