"""What clients do in one run, drawn from its seed, and what they may expect for it."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import ConflictError, ExecutionError, NotFoundError, RefusedError
from chalicelib.domain.orders import Order
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType
from chalicelib.services.delivery.replay import Subscriber
from chalicelib.services.ports import Frame
from chalicelib.wire.server_frames import accepted, error, json_text
from tests.simulation.answers import Answers
from tests.simulation.engine import Engine
from tests.simulation.gateway import Peer
from tests.simulation.simulator import Simulator

ACCOUNTS: Final = ("alice", "bob")
_RETRY_S: Final = 4.0
_TRIES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class ExpectedEvents:
    """A connection that must see an order's events after some point, as long as it is open."""

    peer: Peer
    order_id: UUID
    after_seq: int


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A submission that its connection must see accepted, as long as it is open, unless it is refused."""

    peer: Peer
    order: Order
    request_id: str


@dataclass
class Ledger:
    """What the engine has promised: the orders it accepted, and their subscribers.

    Attributes:
        contents: By connection and order: a second submission must be subscribed too, or refused.
        unacknowledged: Submissions whose acknowledgement is left to the consumer.
    """

    accepted: dict[UUID, Order] = field(default_factory=dict)
    expected: list[ExpectedEvents] = field(default_factory=list)
    contents: dict[tuple[str, UUID], str] = field(default_factory=dict)
    unacknowledged: list[Unacknowledged] = field(default_factory=list)


class SimulatedClients:
    """Submit, subscribe, cancel, come and go."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._world = simulator.world
        self.ledger = Ledger()
        self.answers = Answers()
        self._requests = 0
        self._peers = [simulator.connect(account) for account in (*ACCOUNTS, "alice")]

    def schedule(self) -> None:
        """Plan all that clients will do; only the answers they get are still open."""
        dice, latest_s = self._world.dice, self._world.weather.until_s * 0.5
        for number in range(dice.randint(1, 5)):
            self._world.scheduler.at(dice.random() * latest_s, partial(self._submit_some, number))
        if dice.random() < 0.3:
            self._world.scheduler.at(dice.random() * latest_s, lambda: self._simulator.queue.put("garbage"))
        if dice.random() < 0.3:
            self._world.scheduler.at(
                dice.random() * latest_s, lambda: self._disconnect(dice.choice(self._peers))
            )
        if dice.random() < 0.3:
            self._world.scheduler.at(
                dice.random() * latest_s, lambda: self._subscribe_account(self._peers[0])
            )

    def _submit_some(self, number: int) -> None:
        """Submit an order once, or several times at once under one client order id, not always the same."""
        dice = self._world.dice
        key = f"order-{number}" if dice.random() < 0.6 else None
        copies = dice.choice([1, 1, 2, 4]) if key else 1
        account = dice.choice(ACCOUNTS)
        for _ in range(copies):
            amount = 10**9 if dice.random() < 0.9 else 2 * 10**9
            terms = market_terms(key, amount, dice.choice([5, 60, 60]))
            how = dice.choice(["frame", "frame", "rest", "url"])
            if how == "url":
                self._submit_in_url(terms, account)
            else:
                open_peers = [peer for peer in self._peers if peer.account_id == account and peer.is_open]
                peer = dice.choice(open_peers) if how == "frame" and open_peers else None
                self._submit(terms, account, peer)

    def _submit(self, terms: OrderTerms, account: str, peer: Peer | None, tries: int = 0) -> None:
        is_answered = False
        self._requests += 1
        request_id = f"r{self._requests}"

        def work(engine: Engine) -> None:
            nonlocal is_answered
            try:
                connection_id = peer.connection_id if peer else None
                is_acknowledgement_deferred = peer is not None and peer.wants_batches
                order = engine.submit_orders.submit(
                    terms,
                    account,
                    connection_id=connection_id,
                    request_id=request_id,
                    is_acknowledgement_deferred=is_acknowledgement_deferred,
                )
            except RefusedError:
                is_answered = True
                return
            self._accepted(order, peer)
            is_answered = True
            if peer is not None and is_acknowledgement_deferred:
                self.ledger.unacknowledged.append(Unacknowledged(peer, order, request_id))
            elif peer is not None:
                frame = Frame(peer.connection_id, json_text(accepted(request_id, order)))
                self._simulator.parts.connections.post([frame])

        def again() -> None:
            if not is_answered and terms.client_order_id is not None and tries < 3:
                self._world.scheduler.after(_RETRY_S, lambda: self._submit(terms, account, peer, tries + 1))

        self._simulator.invoke("submit", work, on_end=again)

    def _submit_in_url(self, terms: OrderTerms, account: str) -> None:
        peer = self._simulator.connect(account, is_established=False)
        is_let_in = False

        def work(engine: Engine) -> None:
            nonlocal is_let_in
            order = engine.submit_orders.submit(
                terms, account, connection_id=peer.connection_id, is_connecting=True
            )
            self._accepted(order, peer)
            is_let_in = True

        def establish() -> None:
            peer.is_open = peer.is_established = is_let_in

        self._simulator.invoke("connect", work, on_end=lambda: self._world.scheduler.after(0.05, establish))

    def _accepted(self, order: Order, peer: Peer | None) -> None:
        self._world.note("client", f"{order.terms.client_order_id or 'order'} accepted")
        self.ledger.accepted.setdefault(order.order_id, order)
        if peer is not None:
            self.ledger.expected.append(ExpectedEvents(peer, order.order_id, 0))
            self.ledger.contents[peer.connection_id, order.order_id] = order.content_sha256
        dice = self._world.dice
        if dice.random() < 0.2:
            self._world.scheduler.after(dice.random() * 10, lambda: self._cancel(order, peer))
        if dice.random() < 0.3:
            self._world.scheduler.after(dice.random() * 30, lambda: self._subscribe_anew(order))

    def _cancel(self, order: Order, peer: Peer | None) -> None:
        connection_id = peer.connection_id if peer and peer.is_open else None

        def work(engine: Engine) -> None:
            try:
                engine.cancel_orders.cancel(
                    order.account_id,
                    order.order_id,
                    connection_id=connection_id,
                    batched=peer is not None and peer.wants_batches,
                )
            except (ConflictError, NotFoundError) as refusal:
                self._world.note("client", f"not canceled: {refusal.code}")
            else:
                self.answers.canceled.append(order.order_id)

        self._simulator.invoke("cancel", work)

    def _subscribe_anew(self, order: Order) -> None:
        """Connect and subscribe, again until it is answered: the documented way back into a stream."""
        peer = self._simulator.connect(order.account_id)
        after_seq = self._world.dice.choice([0, 0, 2])
        self._subscribe(peer, order.order_id, after_seq, tries=0)

    def _subscribe(self, peer: Peer, order_id: UUID, after_seq: int, tries: int) -> None:
        def work(engine: Engine) -> None:
            subscriber = Subscriber(peer.connection_id, peer.account_id)
            try:
                engine.replay_orders.subscribe(subscriber, order_id, after_seq=after_seq, request_id=None)
            except ExecutionError as refusal:
                self._simulator.parts.connections.post(
                    [Frame(peer.connection_id, json_text(error(None, refusal)))]
                )

        def check() -> None:
            if peer.has("subscribed", orderId=str(order_id)):
                self.ledger.expected.append(ExpectedEvents(peer, order_id, after_seq))
            elif peer.is_open and tries < _TRIES_MAX:
                again = partial(self._subscribe, peer, order_id, after_seq, tries + 1)
                self._world.scheduler.after(_RETRY_S, again)

        self._simulator.invoke("subscribe", work, on_end=check)

    def _subscribe_account(self, peer: Peer) -> None:
        def work(engine: Engine) -> None:
            subscriber = Subscriber(peer.connection_id, peer.account_id)
            engine.replay_orders.subscribe(subscriber, None, after_seq=0, request_id=None)

        self._simulator.invoke("subscribe", work)

    def _disconnect(self, peer: Peer) -> None:
        if peer.is_open:
            self._simulator.gateway.drop(peer)


def market_terms(client_order_id: str | None, amount_units: int, valid_for_s: int) -> OrderTerms:
    return OrderTerms(
        client_order_id=client_order_id,
        order_type=OrderType.MARKET,
        swap_mode=SwapMode.EXACT_IN,
        input_token="SOL",
        output_token="USDC",
        amount_units=amount_units,
        price_base="SOL",
        slippage_bps=50,
        valid_for_s=valid_for_s,
    )
