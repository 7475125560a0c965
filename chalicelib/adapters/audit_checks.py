"""What an audit consists of: checks with a name, each of which returns what breaks it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from sqlalchemy import Connection, text

SHOWN_MAX: Final = 20
"""Violations of one check that are reported; the first ones tell the story."""


_WHOLE_TABLES: Final = text("SELECT public.for_transaction('enable_seqscan', 'on')")


class Breach(Protocol):
    """What breaks a rule, before the rule's name is put to it."""

    @property
    def subject(self) -> str: ...

    @property
    def problem(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """What breaks a rule: of what, and how."""

    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be: which check, of what, and how."""

    check: str
    subject: str
    problem: str


class AuditCheck(Protocol):
    """A rule that must hold in any database of ours, at any moment, running or not."""

    @property
    def name(self) -> str: ...

    def violations(self, connection: Connection) -> list[Violation]:
        """Return what breaks the rule; an empty list means that it holds."""
        ...


@dataclass(frozen=True, slots=True)
class StatementCheck:
    """A rule, and the statement that finds what breaks it, as (subject, problem)."""

    name: str
    statement: str

    def violations(self, connection: Connection) -> list[Violation]:
        rows = connection.execute(text(self.statement + f" LIMIT {SHOWN_MAX}"))
        return [Violation(self.name, row.subject, row.problem) for row in rows]


@dataclass(frozen=True, slots=True)
class ComputedCheck:
    """A rule, and the function that finds what breaks it where a statement alone cannot."""

    name: str
    find: Callable[[Connection], Iterable[Breach]]

    def violations(self, connection: Connection) -> list[Violation]:
        found = islice(self.find(connection), SHOWN_MAX)
        return [Violation(self.name, each.subject, each.problem) for each in found]


def reads_whole_tables(connection: Connection) -> None:
    """Let a transaction read tables from end to end, which the database leaves out of its plans otherwise
    (migration 0037).
    """
    connection.execute(_WHOLE_TABLES)
