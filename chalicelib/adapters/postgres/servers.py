"""On which server the record is, and what it may lack since it came to there.

A standby that lagged and was promoted lacks the last commits, as a backup does, and no session of the new
primary can tell which. But it is on another timeline than the record says: who sees that first notes the new
server, and since when commits may be missing. A consumer names, with what it decides, the server that it took
the record to be on, so that nothing is recorded on another one (``public.is_on_server``); and an order says
where it was looked up, so that no owner cancels before what may have executed (``public.is_known``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Row, Statement
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.logs import logger

HOLDS_S: Final = 1.0
"""What a server was found to be is believed for so long. A function that is wrong records no decision."""

LOOKED_UP_FOR: Final = "1 day"
"""So long after all that rested was woken, orders are looked up: clients repeat theirs. ``public.doubt``
holds up cancels for as long.
"""

ON_SERVER: Final = "(CAST(:server AS text) = '' OR public.is_on_server(CAST(:server AS text)))"
"""A condition of what a consumer writes: the parameter says where it believes the record to be, and on
another server the statement fails. Empty is none: it is no matter. It is asked once for all rows.
"""

KNOWN: Final = "(NOT CAST(:must_be_known AS boolean) OR public.is_known(o.known_on))"
"""A condition of what is written of an order ``o`` without a look at the chain: while the record may lack
that the order has executed, and no consumer has looked it up, the statement fails.
"""

ARE_KNOWN: Final = "(NOT CAST(:must_be_known AS boolean) OR (SELECT public.doubt()) IN ('', o.known_on))"
"""The same for many orders: those of which it is not known are left out."""

# What is still in doubt of servers before the last one, too: a failover may follow another.
_LOOK: Final = Statement(f"""
WITH doubts AS (
    SELECT min(lacks_since) AS lacks_since FROM servers
    WHERE woken_at IS NULL OR woken_at > statement_timestamp() - interval '{LOOKED_UP_FOR}'
)
SELECT s.server_id, s.name, s.name = public.server() AS is_here, doubts.lacks_since, s.settles_after,
    s.settled_at IS NOT NULL AS is_settled, public.noted(s.server_id, s.seen_at) AS noted
FROM servers AS s, doubts ORDER BY s.server_id DESC LIMIT 1
""")

# What was noted last on the server before is older than every commit that is missing: a standby lacks an end,
# and nothing between.
_NOTE: Final = Statement("""
INSERT INTO servers (server_id, name, lacks_since)
SELECT server_id + 1, public.server(), alive_at FROM servers WHERE server_id = CAST(:before AS bigint)
ON CONFLICT DO NOTHING
RETURNING name
""")
# The migration has written the first one: this is for a table that its owner emptied.
_NOTE_FIRST: Final = Statement("""
INSERT INTO servers (server_id, name) SELECT 1, public.server()
WHERE NOT EXISTS (SELECT FROM servers) ON CONFLICT DO NOTHING
""")

_SETTLES_AFTER: Final = Statement("""
UPDATE servers SET settles_after = CAST(:height AS bigint)
WHERE server_id = CAST(:server_id AS bigint) AND settles_after IS NULL
""")
_SETTLED: Final = Statement("""
UPDATE servers SET settled_at = clock_timestamp()
WHERE server_id <= CAST(:server_id AS bigint) AND settled_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the record may lack.

    Attributes:
        server_id: Of the server that it came to last.
        lacks_since: Commits since then may be missing.
        settles_after: Past this height nothing that they sent can land any more; None: yet to be found out.
        is_settled: The chain is past it.
    """

    server_id: int
    lacks_since: datetime
    settles_after: int | None
    is_settled: bool

    def is_of_before(self, transaction: SignedTransaction) -> bool:
        """Return whether a transaction may be of a server before: until settled, none is signed here."""
        return self.settles_after is None or transaction.last_valid_height <= self.settles_after


@dataclass(frozen=True, slots=True)
class FoundOn:
    """Where the record is.

    Attributes:
        doubt: None while it lacks nothing.
        noted: Tells the server from another one that was numbered alike, as both followed the same one.
    """

    server_id: int
    doubt: Doubt | None
    noted: str = field(default="", compare=False)


class PostgresServers:
    """Looks where the record is; safe to share between threads. Each method raises ``RetryableError``."""

    def __init__(self, engine: Engine, *, monotonic_s: Callable[[], float] = monotonic) -> None:
        self._database = Database(engine)
        self._monotonic_s = monotonic_s
        self._found: tuple[float, FoundOn] | None = None

    def believed(self) -> str:
        """Return the server that was found last, and look only if none was.

        What is recorded was decided on by what was known of that one.
        """
        found = self._found
        return (found[1] if found else self.found()).noted

    def found(self) -> FoundOn:
        """Return where the record is, as of a moment ago; note it if it has come to another server."""
        now_s = self._monotonic_s()
        found = self._found
        if found is None or now_s - found[0] >= HOLDS_S:
            self._found = found = (now_s, self._look())
        return found[1]

    def settles_after(self, server_id: int, height: int) -> None:
        """Note a height past which nothing of the server before can land; the first that is noted counts."""
        self._write(_SETTLES_AFTER, server_id=server_id, height=height)

    def note_settled(self, server_id: int) -> None:
        """Note that the chain is past that height."""
        self._write(_SETTLED, server_id=server_id)

    def _look(self) -> FoundOn:
        with translated_errors():
            rows = self._database.execute(_LOOK)
            if not rows:
                self._database.execute(_NOTE_FIRST)
            elif not rows[0].is_here:
                self._note(rows[0])
            if not (rows and rows[0].is_here):
                rows = self._database.execute(_LOOK)
        if not (rows and rows[0].is_here):
            raise RetryableError("the record is just coming to another server")
        (row,) = rows
        doubt = None
        if row.lacks_since is not None:
            doubt = Doubt(row.server_id, row.lacks_since, row.settles_after, row.is_settled)
        return FoundOn(row.server_id, doubt, row.noted)

    def _note(self, before: Row) -> None:
        for new in self._database.execute(_NOTE, {"before": before.server_id}):
            # As an error, of which an operator is told.
            logger.error("record on another server", server=new.name, before=before.name)

    def _write(self, statement: Statement, **parameters: int) -> None:
        with translated_errors():
            self._database.execute(statement, parameters)
        self._found = None
