"""Reading orders and their events, always within one account, and the reservations of client order ids."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, Row, TextClause, text

from chalicelib.adapters.postgres.error_translation import courtesy, translated_errors
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, json_rows, order_event, order_state
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.postgres.status_lists import index_condition
from chalicelib.domain.errors import ArchivedError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.statuses import OrderStatus
from chalicelib.logs import logger
from chalicelib.services.ports import EventSpan, OrderView

_VIEW: Final = f"""
SELECT {ORDER_COLUMNS}, o.updated_at, o.archive_id, coalesce(e.occurred_at, o.updated_at) AS occurred_at,
    coalesce(e.data, '{{"archived": true}}') AS data, e.packed
FROM orders o LEFT JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
"""

_FIND: Final = text(_VIEW + "WHERE o.order_id = CAST(:order_id AS uuid) AND o.account_id = :account_id")

_AT_THE_TOP: Final = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")
"""Where a first page begins: "or is not given" would keep the others' beginnings from being looked up."""


def _page_of(which: str) -> TextClause:
    return text(f"""{_VIEW}
WHERE o.account_id = :account_id AND {which}
  AND (o.accepted_at, o.order_id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))
ORDER BY o.accepted_at DESC, o.order_id DESC LIMIT :limit
""")


# Each is served by an index of its own: among all that an account has sent, one status may be rare.
_PAGE: Final = _page_of("true")
_PAGES: Final = {
    status: _page_of(f"o.status = :status AND {index_condition(status)}") for status in OrderStatus
}

_EVENTS: Final = text("""
SELECT order_id, seq, status, attempt, occurred_at, data, packed FROM order_events
WHERE order_id = CAST(:order_id AS uuid) AND seq > :seq ORDER BY seq LIMIT :limit
""")

_EVENTS_OF: Final = text("""
SELECT e.* FROM jsonb_to_recordset(CAST(:spans AS jsonb)) AS span (order_id uuid, after_seq int, seq int)
CROSS JOIN LATERAL (
    SELECT order_id, seq, status, attempt, occurred_at, data, packed FROM order_events
    WHERE order_id = span.order_id AND seq > span.after_seq AND seq <= span.seq ORDER BY seq LIMIT :limit
) AS e
ORDER BY e.order_id, e.seq
""")

# An early answer, which the record decides: what a crash of the server takes of it is no loss.
_RESERVE: Final = Statement("""
INSERT INTO client_order_keys (account_id, client_order_id, content_sha256)
SELECT :account_id, :client_order_id, :content_sha256 WHERE public.without_waiting() IS NOT NULL
ON CONFLICT DO NOTHING RETURNING content_sha256
""")

_CONTENT_OF: Final = Statement("""
SELECT content_sha256 FROM client_order_keys
WHERE account_id = :account_id AND client_order_id = :client_order_id
""")


class PostgresOrderQueries:
    """``OrderQueries`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def find(self, account_id: str, order_id: UUID) -> OrderView | None:
        parameters = {"account_id": account_id, "order_id": str(order_id)}
        with translated_errors(), self._single.connect() as connection:
            row = connection.execute(_FIND, parameters).first()
        if row is None:
            return None
        if row.archive_id is not None:
            raise ArchivedError
        return _view(row)

    def page(
        self, account_id: str, *, status: OrderStatus | None, limit: int, before: tuple[datetime, UUID] | None
    ) -> Sequence[OrderView]:
        views: list[OrderView] = []
        statement = _PAGE if status is None else _PAGES[status]
        with translated_errors(), self._single.connect() as connection:
            while len(views) < limit:
                before_at, before_id = before or _AT_THE_TOP
                wanted = limit - len(views)
                parameters = {
                    "account_id": account_id,
                    "status": status,
                    "limit": wanted,
                    "before_at": before_at,
                    "before_id": str(before_id),
                }
                rows = connection.execute(statement, parameters).all()
                views += [view for row in rows if (view := _view_if_readable(row)) is not None]
                if len(rows) < wanted:
                    break
                before = rows[-1].accepted_at, rows[-1].order_id
        return views

    def events_after(self, order_id: UUID, seq: int, *, limit: int) -> Sequence[OrderEvent]:
        parameters = {"order_id": str(order_id), "seq": seq, "limit": limit}
        with translated_errors(), self._single.connect() as connection:
            return [order_event(row) for row in connection.execute(_EVENTS, parameters)]

    def events_of(self, spans: Sequence[EventSpan], *, limit: int) -> Mapping[UUID, Sequence[OrderEvent]]:
        parameters = {"spans": json_rows([span._asdict() for span in spans]), "limit": limit}
        found: dict[UUID, list[OrderEvent]] = {}
        with translated_errors(), self._single.connect() as connection:
            for row in connection.execute(_EVENTS_OF, parameters):
                event = order_event(row)
                found.setdefault(event.order_id, []).append(event)
        return found


class PostgresClientOrderKeys:
    """``ClientOrderKeys`` and ``ClientOrderContents`` on Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        parameters = {
            "account_id": account_id,
            "client_order_id": client_order_id,
            "content_sha256": content_sha256,
        }
        with courtesy():
            # Looked up by a statement of its own: it sees what another committed while the first one waited.
            rows = self._database.execute(_RESERVE, parameters) or self._database.execute(
                _CONTENT_OF, parameters
            )
        # One that was forgotten between the two is free.
        return not rows or bool(rows[0].content_sha256 == content_sha256)

    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        parameters = {"account_id": account_id, "client_order_id": client_order_id}
        with translated_errors():
            rows = self._database.execute(_CONTENT_OF, parameters)
        return rows[0].content_sha256 if rows else None


def _view(row: Row[Any]) -> OrderView:
    return OrderView(order_state(row), row.updated_at, order_event(row))


def _view_if_readable(row: Row[Any]) -> OrderView | None:
    """Return the view of a row; None of one that only another release can read,
    which must not hide all others.
    """
    try:
        return _view(row)
    except (ValueError, TypeError) as error:
        logger.error("defect", exc_info=error, order_id=str(row.order_id), doing="listing orders")
        return None
