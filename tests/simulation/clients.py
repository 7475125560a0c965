"""What clients do in one run, drawn from its seed, and what they are owed for it."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.errors import ConflictError, ExecutionError, NotFoundError, RefusedError
from chalicelib.domain.orders import Order, OrderTerms, OrderType
from chalicelib.services.following import Follower
from chalicelib.services.ports import Frame
from chalicelib.wire.server_frames import accepted, error, json_text
from tests.simulation.gateway import Peer
from tests.simulation.plant import Engine, Plant

ACCOUNTS: Final = ("alice", "bob")
_RETRY_S: Final = 4.0
_TRIES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Owed:
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
    """What the engine has promised: the orders it accepted, and who follows them.

    Attributes:
        contents: By connection and order: a second submission must be followed too, or refused.
        unacknowledged: Submissions whose acknowledgement is left to the consumer.
    """

    accepted: dict[UUID, Order] = field(default_factory=dict)
    owed: list[Owed] = field(default_factory=list)
    contents: dict[tuple[str, UUID], str] = field(default_factory=dict)
    unacknowledged: list[Unacknowledged] = field(default_factory=list)


class Clients:
    """Submit, follow, cancel, come and go."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._world = plant.world
        self.ledger = Ledger()
        self._requests = 0
        self._peers = [plant.connect(account) for account in (*ACCOUNTS, "alice")]

    def schedule(self) -> None:
        """Plan all that clients will do; only the answers they get are still open."""
        dice, latest_s = self._world.dice, self._world.weather.until_s * 0.5
        for number in range(dice.randint(1, 5)):
            self._world.scheduler.at(dice.random() * latest_s, partial(self._submit_some, number))
        if dice.random() < 0.3:
            self._world.scheduler.at(dice.random() * latest_s, lambda: self._plant.queue.put("garbage"))
        if dice.random() < 0.3:
            self._world.scheduler.at(
                dice.random() * latest_s, lambda: self._disconnect(dice.choice(self._peers))
            )
        if dice.random() < 0.3:
            self._world.scheduler.at(dice.random() * latest_s, lambda: self._follow_account(self._peers[0]))

    def _submit_some(self, number: int) -> None:
        """Submit an order once, or several times at once under one client order id, not always the same."""
        dice = self._world.dice
        key = f"order-{number}" if dice.random() < 0.6 else None
        copies = dice.choice([1, 1, 2, 4]) if key else 1
        account = dice.choice(ACCOUNTS)
        for _ in range(copies):
            amount = 10**9 if dice.random() < 0.9 else 2 * 10**9
            terms = _terms(key, amount, dice.choice([5, 60, 60]))
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
                is_owed = peer is not None and peer.wants_batches
                order = engine.accepting.accept(
                    terms, account, connection_id=connection_id, request_id=request_id, is_owed=is_owed
                )
            except RefusedError:
                is_answered = True
                return
            self._accepted(order, peer)
            is_answered = True
            if peer is not None and is_owed:
                self.ledger.unacknowledged.append(Unacknowledged(peer, order, request_id))
            elif peer is not None:
                frame = Frame(peer.connection_id, json_text(accepted(request_id, order)))
                self._plant.parts.connections.post([frame])

        def again() -> None:
            if not is_answered and terms.client_order_id is not None and tries < 3:
                self._world.scheduler.after(_RETRY_S, lambda: self._submit(terms, account, peer, tries + 1))

        self._plant.invoke("submit", work, on_end=again)

    def _submit_in_url(self, terms: OrderTerms, account: str) -> None:
        peer = self._plant.connect(account, is_established=False)
        is_let_in = False

        def work(engine: Engine) -> None:
            nonlocal is_let_in
            order = engine.accepting.accept(
                terms, account, connection_id=peer.connection_id, is_connecting=True
            )
            self._accepted(order, peer)
            is_let_in = True

        def establish() -> None:
            peer.is_open = peer.is_established = is_let_in

        self._plant.invoke("connect", work, on_end=lambda: self._world.scheduler.after(0.05, establish))

    def _accepted(self, order: Order, peer: Peer | None) -> None:
        self._world.note("client", f"{order.client_order_id or 'order'} accepted")
        self.ledger.accepted.setdefault(order.order_id, order)
        if peer is not None:
            self.ledger.owed.append(Owed(peer, order.order_id, 0))
            self.ledger.contents[peer.connection_id, order.order_id] = order.content_sha256
        dice = self._world.dice
        if dice.random() < 0.2:
            self._world.scheduler.after(dice.random() * 10, lambda: self._cancel(order, peer))
        if dice.random() < 0.3:
            self._world.scheduler.after(dice.random() * 30, lambda: self._follow_anew(order))

    def _cancel(self, order: Order, peer: Peer | None) -> None:
        connection_id = peer.connection_id if peer and peer.is_open else None

        def work(engine: Engine) -> None:
            try:
                engine.canceling.cancel(
                    order.account_id,
                    order.order_id,
                    connection_id=connection_id,
                    batched=peer is not None and peer.wants_batches,
                )
            except (ConflictError, NotFoundError) as refusal:
                self._world.note("client", f"not canceled: {refusal.code}")

        self._plant.invoke("cancel", work)

    def _follow_anew(self, order: Order) -> None:
        """Connect and subscribe, again until it is answered: the documented way back into a stream."""
        peer = self._plant.connect(order.account_id)
        after_seq = self._world.dice.choice([0, 0, 2])
        self._subscribe(peer, order.order_id, after_seq, tries=0)

    def _subscribe(self, peer: Peer, order_id: UUID, after_seq: int, tries: int) -> None:
        def work(engine: Engine) -> None:
            follower = Follower(peer.connection_id, peer.account_id)
            try:
                engine.following.subscribe(follower, order_id, after_seq=after_seq, request_id=None)
            except ExecutionError as refusal:
                self._plant.parts.connections.post(
                    [Frame(peer.connection_id, json_text(error(None, refusal)))]
                )

        def check() -> None:
            if peer.has("subscribed", orderId=str(order_id)):
                self.ledger.owed.append(Owed(peer, order_id, after_seq))
            elif peer.is_open and tries < _TRIES_MAX:
                again = partial(self._subscribe, peer, order_id, after_seq, tries + 1)
                self._world.scheduler.after(_RETRY_S, again)

        self._plant.invoke("subscribe", work, on_end=check)

    def _follow_account(self, peer: Peer) -> None:
        def work(engine: Engine) -> None:
            follower = Follower(peer.connection_id, peer.account_id)
            engine.following.subscribe(follower, None, after_seq=0, request_id=None)

        self._plant.invoke("subscribe", work)

    def _disconnect(self, peer: Peer) -> None:
        if peer.is_open:
            self._plant.gateway.drop(peer)


def _terms(client_order_id: str | None, amount_units: int, valid_for_s: int) -> OrderTerms:
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
