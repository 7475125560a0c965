"""``Subscriptions`` in memory, statement for statement what ``adapters/postgres/subscriptions.py`` does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.domain.statuses import RESTING
from chalicelib.services.subscription_ports import AccountOrders, Missed, Replay, ReplayKind
from tests.fakes.tables import ConnectionRow, SubscriptionRow, Tables

EVERY_ORDER: Final = UUID(int=0)
_REPLAYED_ORDERS_MAX: Final = 100


class MemorySubscriptions:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def of_orders(self, orders: Sequence[Order]) -> Sequence[Subscription]:
        rows = self._tables.subscriptions
        found = []
        for order in orders:
            subscribed = {
                connection_id: (row, wanted == EVERY_ORDER)
                for wanted in (EVERY_ORDER, order.order_id)  # the second overrules the first
                for (connection_id, order_id), row in rows.items()
                if order_id == wanted
                and row.account_id == order.account_id
                and not self._has_expired(connection_id)
            }
            found += [
                Subscription(
                    order.order_id,
                    connection_id,
                    row.live,
                    row.replayed_to,
                    self._is_batched(connection_id),
                    is_of_all,
                )
                for connection_id, (row, is_of_all) in subscribed.items()
            ]
        return found

    def begin_replay(
        self,
        connection_id: str,
        account_id: str,
        order_id: UUID,
        *,
        replay_id: UUID,
        after_seq: int,
        kind: ReplayKind = ReplayKind.NAMED,
    ) -> Replay | None:
        order = self._tables.orders.get(order_id)
        if order is None or order.state.order.account_id != account_id:
            return None
        if kind is ReplayKind.OF_ALL and (connection_id, EVERY_ORDER) not in self._tables.subscriptions:
            return None
        replayed_to = min(after_seq, order.state.seq)
        if kind is ReplayKind.CATCH_UP:
            row = self._tables.subscriptions.get((connection_id, order_id))
            if row is None or self._has_expired(connection_id):
                return None
            replayed_to = replayed_to if row.live else min(replayed_to, row.replayed_to)
        self._tables.subscriptions[connection_id, order_id] = SubscriptionRow(
            account_id, False, replayed_to, self._tables.now(), replay_id
        )
        return Replay(replayed_to, self._is_batched(connection_id))

    def go_live(self, connection_id: str, order_id: UUID, *, replay_id: UUID, seq: int) -> bool:
        row = self._tables.subscriptions.get((connection_id, order_id))
        if row is None or row.replay_id != replay_id:
            return True
        if self._tables.orders[order_id].state.seq != seq:
            return False
        row.live, row.replayed_to, row.replay_id, row.updated_at = True, seq, None, self._tables.now()
        return True

    def subscribe_account(self, connection_id: str, account_id: str) -> AccountOrders:
        unfinished = [
            order.state
            for order in self._tables.orders.values()
            if order.state.order.account_id == account_id and not order.state.is_final
        ]
        unfinished.sort(key=lambda state: state.order.accepted_at, reverse=True)
        under_way = [state.order.order_id for state in unfinished if state.status not in RESTING]
        resting = [state.order.order_id for state in unfinished if state.status in RESTING]
        replayed = under_way[:_REPLAYED_ORDERS_MAX] + resting[:_REPLAYED_ORDERS_MAX]
        for id_ in (EVERY_ORDER, *replayed):
            row = SubscriptionRow(account_id, id_ == EVERY_ORDER, 0, self._tables.now())
            self._tables.subscriptions.setdefault((connection_id, id_), row)
        return AccountOrders(replayed, more_rest=len(resting) > _REPLAYED_ORDERS_MAX)

    def mark_behind(self, missed: Sequence[Missed]) -> None:
        for each in missed:
            key = each.connection_id, each.order.order_id
            row = self._tables.subscriptions.get(key)
            if row is None and (each.connection_id, EVERY_ORDER) in self._tables.subscriptions:
                self._tables.subscriptions[key] = SubscriptionRow(
                    each.order.account_id, False, each.sent_to, self._tables.now()
                )
            elif row is not None and row.live:
                row.live, row.replayed_to, row.updated_at = False, each.sent_to, self._tables.now()

    def remove(self, connection_id: str, order_id: UUID | None) -> bool:
        removed = (connection_id, order_id or EVERY_ORDER) in self._tables.subscriptions
        for key in list(self._tables.subscriptions):
            if key[0] == connection_id and order_id in {None, key[1]}:
                del self._tables.subscriptions[key]
        return removed

    def connected(self, connection_id: str, expires_at: datetime, *, batched: bool) -> None:
        """Note a connection, as the gateway's ``$connect`` has it done."""
        self._tables.connections[connection_id] = ConnectionRow(expires_at, batched)

    def forget(self, connection_ids: Sequence[str]) -> None:
        for connection_id in connection_ids:
            self.remove(connection_id, None)
            self._tables.connections.pop(connection_id, None)

    def _has_expired(self, connection_id: str) -> bool:
        row = self._tables.connections.get(connection_id)
        return row is not None and row.expires_at <= self._tables.now()

    def _is_batched(self, connection_id: str) -> bool:
        row = self._tables.connections.get(connection_id)
        return row is not None and row.batched
