"""``OpenOrdersRecord`` in memory, statement for statement what ``adapters/postgres/cancel_all.py`` does."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import Published
from chalicelib.domain.statuses import CANCELABLE, OrderStatus
from chalicelib.services.intake.cancel_all import EndedOrder, Unfinished
from tests.fakes.tables import OrderRow, Tables


class MemoryOpenOrders:
    """Every method is one transaction: nothing else happens while it runs."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def mark(self, account_id: str, wanted: OrderFilter, at: datetime) -> None:
        marks = self._tables.cancel_marks
        marks[account_id, wanted] = max(at, marks.get((account_id, wanted), at))

    def cancel_some(
        self, account_id: str, wanted: OrderFilter, at: datetime, *, limit: int
    ) -> Sequence[EndedOrder]:
        ended = []
        for row in [row for row in self._meant(account_id, wanted) if _is_cancelable(row.state)][:limit]:
            self._tables.unpublished[row.state.order.order_id] = self._tables.now()
            ended.append(EndedOrder(*self._tables.cancel(row, at), row.state.published_seq))
        return ended

    def note_published(self, published: Sequence[Published]) -> None:
        self._tables.note_published(published)

    def unfinished(self, account_id: str, wanted: OrderFilter, *, limit: int) -> Unfinished:
        meant = self._meant(account_id, wanted)
        sent = [row.state.order.order_id for row in meant if not _is_cancelable(row.state)]
        return Unfinished(sent[:limit], min(limit, len(meant) - len(sent)))

    def _meant(self, account_id: str, wanted: OrderFilter) -> list[OrderRow]:
        found = [
            row
            for row in self._tables.orders.values()
            if row.state.order.account_id == account_id
            and not row.state.is_final
            and wanted.fits(row.state.order)
        ]
        return sorted(found, key=lambda row: row.state.order.accepted_at)


def _is_cancelable(state: OrderState) -> bool:
    return state.status in CANCELABLE and (not state.was_sent or state.status is OrderStatus.OPEN)
