"""The reading side of the record in memory: queries, reservations, housekeeping and the archive."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from chalicelib.adapters.postgres.housekeeping import (
    BEHIND_AFTER_S,
    FINISHED_AFTER_S,
    NO_LEASE_LASTS_S,
    SENT_AGAIN_AFTER_S,
    STRANDED_AFTER_S,
)
from chalicelib.adapters.postgres.unpublished import UNPUBLISHED_AFTER_S
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.statuses import FINAL, RESTING, OrderStatus
from chalicelib.services.consumer.dead_letters import DeadLetter
from chalicelib.services.ports import EventSpan, OrderView
from chalicelib.services.recovery.sweeper import Forgotten, StrandedOrder, SubscriptionBehind, SweepPart
from chalicelib.services.recovery.turns import ACCOUNTS_MAX, Place, Rest
from tests.fakes.tables import OrderRow, Tables


class MemoryQueries:
    """``OrderQueries`` and ``ClientOrderKeys``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, account_id: str, order_id: UUID) -> OrderView | None:
        row = self._tables.orders.get(order_id)
        if row is None or row.state.order.account_id != account_id:
            return None
        return OrderView(row.state, row.updated_at, self._tables.events[order_id][-1])

    def page(
        self, account_id: str, *, status: OrderStatus | None, limit: int, before: tuple[datetime, UUID] | None
    ) -> Sequence[OrderView]:
        found = [
            row
            for row in self._tables.orders.values()
            if row.state.order.account_id == account_id and status in {None, row.state.status}
        ]
        found.sort(key=_place, reverse=True)
        page = [row for row in found if before is None or _place(row) < before][:limit]
        return [
            OrderView(row.state, row.updated_at, self._tables.events[row.state.order.order_id][-1])
            for row in page
        ]

    def events_after(self, order_id: UUID, seq: int, *, limit: int) -> Sequence[OrderEvent]:
        return [event for event in self._tables.events.get(order_id, ()) if event.seq > seq][:limit]

    def events_of(self, spans: Sequence[EventSpan], *, limit: int) -> Mapping[UUID, Sequence[OrderEvent]]:
        return {
            order_id: [each for each in self._tables.events.get(order_id, ()) if after_seq < each.seq <= seq][
                :limit
            ]
            for order_id, after_seq, seq in spans
        }

    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        return self._tables.keys.setdefault((account_id, client_order_id), content_sha256) == content_sha256

    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        return self._tables.keys.get((account_id, client_order_id))


def _place(row: OrderRow) -> tuple[datetime, UUID]:
    return row.state.order.accepted_at, row.state.order.order_id


class MemoryHousekeeping:
    """``Housekeeping`` and ``DeadLetterArchive``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._resumed_at: dict[UUID, datetime] = {}

    def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:
        under_way = sorted(
            (row.state.order.account_id, *_place(row))
            for row in self._tables.orders.values()
            if row.state.status not in FINAL | RESTING
        )
        turn, share, rest = self._turn({account_id for account_id, _, _ in under_way}, rest, limit)
        found, more = [], []
        for place in turn:
            own = [(at, id_) for account_id, at, id_ in under_way if account_id == place.account_id]
            part = [each for each in own if place.at is None or each > (place.at, place.order_id)][:share]
            found += [StrandedOrder(id_, place.account_id) for _, id_ in part if self._is_stranded(id_)]
            if len(part) == share:
                more.append(Place(place.account_id, *part[-1]))
        return SweepPart(found, rest.with_more(more))

    def _is_stranded(self, order_id: UUID) -> bool:
        lease_until = self._tables.orders[order_id].lease_until
        now = self._tables.now()
        since, until = now - timedelta(seconds=STRANDED_AFTER_S), now + timedelta(seconds=NO_LEASE_LASTS_S)
        return not since <= lease_until <= until and not self._waits(order_id, lease_until)

    def _turn(self, accounts: Iterable[str], rest: Rest, limit: int) -> tuple[list[Place], int, Rest]:
        """Return whose turn it is, how much of each, and what is left without them, as Postgres does."""
        most = min(limit, ACCOUNTS_MAX)
        before = rest.before or self._tables.now() - timedelta(seconds=BEHIND_AFTER_S)
        seen_to = rest.seen_to
        found = [] if seen_to is None else [each for each in sorted(accounts) if each > seen_to][:most]
        turn, left = replace(rest, before=before).turn(found, most)
        return turn, limit // max(1, len(turn)), left

    def unpublished_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        since = self._tables.now() - timedelta(seconds=UNPUBLISHED_AFTER_S)
        unpublished = self._tables.unpublished
        oldest_first = sorted(unpublished, key=unpublished.__getitem__)
        old = [id_ for id_ in oldest_first if unpublished[id_] < since][:limit]
        found = []
        for id_ in old:
            state = self._tables.orders[id_].state
            if state.published_seq == state.seq:
                del unpublished[id_]
            else:
                found.append(StrandedOrder(id_, state.order.account_id))
        return found

    def _waits(self, order_id: UUID, lease_until: datetime) -> bool:
        """Return whether the message that resumes an order may be in the queue still."""
        at = self._resumed_at.get(order_id)
        now, again = self._tables.now(), timedelta(seconds=SENT_AGAIN_AFTER_S)
        return at is not None and max(lease_until, now - again) <= at <= now

    def note_resumed(self, order_ids: Sequence[UUID]) -> None:
        now, unpublished = self._tables.now(), self._tables.unpublished
        self._resumed_at |= dict.fromkeys(order_ids, now)
        unpublished |= dict.fromkeys((id_ for id_ in order_ids if id_ in unpublished), now)

    def subscriptions_behind(self, rest: Rest, *, limit: int) -> SweepPart[SubscriptionBehind]:
        waiting = {key: row for key, row in self._tables.subscriptions.items() if not row.live}
        turn, share, rest = self._turn({row.account_id for row in waiting.values()}, rest, limit)
        again = self._tables.now() + timedelta(seconds=SENT_AGAIN_AFTER_S - BEHIND_AFTER_S)
        behind, more = [], []
        for place in turn:
            own = [
                (row.updated_at, key)
                for key, row in waiting.items()
                if row.account_id == place.account_id and rest.before and row.updated_at < rest.before
            ]
            part = [key for _, key in sorted(own)[:share]]
            for key in part:
                waiting[key].updated_at = again
                behind.append(SubscriptionBehind(key[0], place.account_id, key[1], waiting[key].replayed_to))
            if len(part) == share:
                more.append(place)
        return SweepPart(behind, rest.with_more(more))

    def note_unsent(self, behind: Sequence[SubscriptionBehind]) -> None:
        now = self._tables.now()
        for each in behind:
            row = self._tables.subscriptions.get((each.connection_id, each.order_id))
            if row is not None and not row.live and row.updated_at > now:
                row.updated_at = now - timedelta(seconds=BEHIND_AFTER_S)

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        now, connections = self._tables.now(), self._tables.connections
        oldest_first = sorted(connections, key=lambda id_: connections[id_].expires_at)
        return [id_ for id_ in oldest_first if connections[id_].expires_at < now][:limit]

    def forget_finished(self, *, limit: int) -> Forgotten:
        since = self._tables.now() - timedelta(seconds=FINISHED_AFTER_S)
        orders = self._tables.orders
        finished = [
            key
            for key, row in self._tables.subscriptions.items()
            if row.live
            and key[1] in orders
            and orders[key[1]].state.is_final
            and orders[key[1]].updated_at < since
            and key[1] not in self._tables.unpublished
        ]
        for key in finished[:limit]:
            del self._tables.subscriptions[key]
        return Forgotten(len(finished[:limit]), is_more=len(finished) > limit)

    def forget_pairs(self, *, limit: int) -> Forgotten:
        """Remove none: in memory pairs have no numbers."""
        assert limit > 0
        return Forgotten(0, is_more=False)

    def wake_doubted(self, *, limit: int) -> int:
        """Wake none: what is in memory comes to no other server."""
        assert limit > 0
        return 0

    def archive(self, letter: DeadLetter, *, order_id: UUID | None, reason: str) -> None:
        del order_id
        self._tables.dead_letters.setdefault(letter.message_id, (letter, reason))
