"""Watches that tests arm and disarm by themselves; the engine does so in the step that moves their order."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.postgres.statements import Database
from chalicelib.adapters.postgres.watches import PostgresWatches, arming, disarming, fired_among
from chalicelib.domain.watches import Fired, Watch
from chalicelib.services.resting.ports import Watches


class ArmableWatches(Watches, Protocol):
    """``Watches``, and what becomes of them as their orders move."""

    def arm(self, watches: Sequence[Watch]) -> None:
        """Arm watches of orders on record; one that is there already is replaced, fired or not."""
        ...

    def disarm(self, order_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Remove watches; return those that were there."""
        ...

    def fired(self, order_id: UUID) -> Fired | None:
        """Return how a watch was fired; None if it is armed or gone."""
        ...


class WatchesOnRecord(PostgresWatches):
    """``ArmableWatches`` by the record's own statements, in transactions of their own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._record = Database(engine)

    def arm(self, watches: Sequence[Watch]) -> None:
        with self._record.transaction() as session:
            session.finish(*arming(watches))

    def disarm(self, order_ids: Sequence[UUID]) -> frozenset[UUID]:
        return frozenset(row.order_id for row in self._record.execute(*disarming(order_ids)))

    def fired(self, order_id: UUID) -> Fired | None:
        with self._record.transaction() as session:
            return fired_among(session, [order_id]).get(order_id)
