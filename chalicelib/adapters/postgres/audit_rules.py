"""The audit's rules one by one, as the console runs them, and when each last held.

What counts is ``./orderflow audit`` with the owner's login: it needs no word of a function's. Here a rule
must be done within one request, so a record too large for that is refused instead of half looked at.
"""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.audit_checks import AuditCheck, reads_whole_tables
from chalicelib.adapters.postgres.error_translation import sqlstate, translated_errors
from chalicelib.domain.errors import Code, ConflictError, RefusedError

ORDERS_MAX: Final = 10_000
"""Of a record that is checked within a request; the slowest rule takes some 0.3 ms an order."""

TIME_LIMIT_S: Final = 4
"""Of one statement of a rule: less than a connection waits for an answer."""

_RULE_ID_CHARS_MAX: Final = 128
_QUERY_CANCELED: Final = "57014"  # SQLSTATE: the time limit was over

_TIME_LIMIT: Final = text("SELECT public.for_transaction('statement_timeout', :limit)")
_ORDERS: Final = text(f"SELECT count(*) FROM (SELECT FROM orders LIMIT {ORDERS_MAX + 1}) AS counted")
_RESULTS: Final = text("SELECT rule_id, ran_at, held_at, duration_ms, violations FROM audit_rules")
_NOTE: Final = text("""
INSERT INTO audit_rules AS old (rule_id, ran_at, held_at, duration_ms, violations)
VALUES (:rule_id, clock_timestamp(), CASE WHEN :holds THEN clock_timestamp() END, :duration_ms,
        CAST(:violations AS jsonb))
ON CONFLICT (rule_id) DO UPDATE
SET ran_at = excluded.ran_at, held_at = coalesce(excluded.held_at, old.held_at),
    duration_ms = excluded.duration_ms, violations = excluded.violations
""")


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule, and how it last ended here; ``ran_at`` is None if it never ran.

    Attributes:
        held_at: When it last held; None if it never did.
        violations: What broke it the last time, as (subject, problem).
    """

    rule_id: str
    rule: str
    ran_at: datetime | None = None
    held_at: datetime | None = None
    duration_ms: int | None = None
    violations: Sequence[tuple[str, str]] = ()


class PostgresAuditRules:
    """Runs the rules of an audit, each by itself in a snapshot of its own, and remembers how they ended."""

    def __init__(self, engine: Engine, checks: Sequence[AuditCheck]) -> None:
        self._engine = engine
        self._checks = {rule_id_of(check.name): check for check in checks}

    def results(self) -> Sequence[RuleResult]:
        """Return every rule, in the audit's order. Raises ``RetryableError``."""
        with translated_errors(), self._engine.connect() as connection:
            found = {row.rule_id: row for row in connection.execute(_RESULTS)}
        return [
            RuleResult(
                rule_id,
                check.name,
                row.ran_at,
                row.held_at,
                row.duration_ms,
                [(s, p) for s, p in row.violations],
            )
            if (row := found.get(rule_id)) is not None
            else RuleResult(rule_id, check.name)
            for rule_id, check in self._checks.items()
        ]

    def run(self, rule_id: str) -> RuleResult:
        """Check one rule now, and remember how it ended.

        Raises:
            RefusedError: There is no such rule.
            ConflictError: The record is too large, or the rule takes too long, for one request.
            RetryableError: The record is unreachable.
        """
        check = self._checks.get(rule_id)
        if check is None:
            raise RefusedError(Code.NOT_FOUND, "the audit has no such rule")
        started = time.monotonic()
        with translated_errors():
            violations = self._violations(check)
        duration_ms = round((time.monotonic() - started) * 1000)
        noted = {
            "rule_id": rule_id,
            "holds": not violations,
            "duration_ms": duration_ms,
            "violations": json.dumps(violations),
        }
        with translated_errors(), self._engine.begin() as connection:
            connection.execute(_NOTE, noted)
        return next(each for each in self.results() if each.rule_id == rule_id)

    def _violations(self, check: AuditCheck) -> list[tuple[str, str]]:
        try:
            with _snapshot(self._engine) as connection:
                connection.execute(_TIME_LIMIT, {"limit": f"{TIME_LIMIT_S}s"})
                reads_whole_tables(connection)
                if connection.execute(_ORDERS).scalar_one() > ORDERS_MAX:
                    raise _too_large(f"there are more than {ORDERS_MAX} orders")
                return [(each.subject, each.problem) for each in check.violations(connection)]
        except DBAPIError as error:
            if sqlstate(error) == _QUERY_CANCELED:
                raise _too_large(f"a statement took over {TIME_LIMIT_S} s") from error
            raise


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment. SQLAlchemy's own would set the session's isolation level, which
    pins the session of RDS Proxy to its client for good.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def rule_id_of(name: str) -> str:
    """Return a rule's name as it stands in an address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_RULE_ID_CHARS_MAX]


def _too_large(why: str) -> ConflictError:
    return ConflictError(
        Code.TOO_LARGE_TO_AUDIT,
        f"{why}: too much for one request; run ./orderflow audit with the owner's login",
    )
