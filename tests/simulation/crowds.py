"""Clients whose orders fill whole batches: new ones, repeated ones and canceled ones side by side."""

from functools import partial
from typing import Final

from chalicelib.domain.errors import ExecutionError
from chalicelib.domain.order_filters import OrderFilter
from tests.simulation.clients import ACCOUNTS, SimulatedClients, market_terms
from tests.simulation.engine import Engine

GATHERED_S: Final = 0.25
"""So long a consumer leaves messages to others that come: under load it finds its batch full."""

_KEYS: Final = 12


class CrowdedClients(SimulatedClients):
    """Submit several orders at a moment, also under each other's client order ids, and cancel all."""

    def schedule(self) -> None:
        super().schedule()
        dice, latest_s = self._world.dice, self._world.weather.until_s * 0.5
        for _ in range(dice.randint(2, 5)):
            self._world.scheduler.at(dice.random() * latest_s, self._crowd)

    def _crowd(self) -> None:
        dice = self._world.dice
        for _ in range(dice.randint(3, 8)):
            account = dice.choice(ACCOUNTS)
            key = f"crowd-{dice.randint(1, _KEYS)}" if dice.random() < 0.7 else None
            peers = [peer for peer in self._peers if peer.account_id == account and peer.is_open]
            peer = dice.choice(peers) if peers and dice.random() < 0.7 else None
            terms = market_terms(key, 10**9, 60)
            self._world.scheduler.after(
                dice.random() * GATHERED_S, partial(self._submit, terms, account, peer)
            )
        if dice.random() < 0.5:
            cancel = partial(self._cancel_all, dice.choice(ACCOUNTS))
            self._world.scheduler.after(dice.random() * 3 * GATHERED_S, cancel)

    def _cancel_all(self, account_id: str) -> None:
        def work(engine: Engine) -> None:
            try:
                done = engine.cancel_all_orders.cancel_all(account_id, OrderFilter())
            except ExecutionError as refusal:
                self._world.note("client", f"not canceled: {refusal}")
                return
            self.answers.note_canceled_all(self._simulator.tables, account_id, OrderFilter(), done)
            self._world.note("client", f"all of {account_id} canceled: {done.canceled}")

        self._simulator.invoke("cancel all", work)
