"""The whole record against the chain: every attempt looked up, and every transaction of our wallets.

A page at a time, with the pauses that nodes ask for. A page that no node answers for is reported as unknown.
Attempts of archived orders are in the archives, and not looked up: the record knows what confirmed those.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import sleep
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from chalicelib.adapters.audit_checks import SHOWN_MAX
from chalicelib.adapters.postgres.chains import is_on
from chalicelib.adapters.postgres.rows import stored_fields
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.found_pools import found_mint_scales
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.record_comparison import (
    Attempt,
    ComparedOrder,
    Difference,
    Rule,
    authority_of,
    compared,
)
from chalicelib.adapters.solana.rpc_answers import epoch_info
from chalicelib.adapters.solana.rpc_calls import get_epoch_info
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.adapters.solana.signer import SeedSigner, desk_key_of
from chalicelib.adapters.solana.stray_transactions import StrayTransactions
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens, new_token
from chalicelib.domain.transactions import ChainView
from chalicelib.services.archive.ports import ArchiveStore
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.packed_fields import UnreadableFieldsError

_PAGE: Final = 50
_TRIES: Final = 2
_PAUSE_S: Final = 2.0
_GIVES_UP_AFTER: Final = 2
"""So many pages in a row that no node answered for: the rest is not asked for."""

_FIRST: Final = UUID(int=0)

_IS_HERE: Final = is_on("CAST(:chain AS text)")
_COMPARED: Final = """o.archive_id IS NULL
        AND (o.status = 'confirmed' OR EXISTS (SELECT FROM attempts a WHERE a.order_id = o.order_id))"""
# The chain is none of its conditions: the planner would take it for one that few orders meet, and may read
# all orders for each page.
_ORDERS: Final = text(f"""
    SELECT o.order_id, o.status, o.swap_mode, o.input_token, o.output_token, o.amount_units, o.tx_signature,
        o.input_units, o.output_units, e.data AS published, e.packed, {_IS_HERE} AS is_here
    FROM orders o LEFT JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
    WHERE o.order_id > CAST(:after AS uuid) AND {_COMPARED}
    ORDER BY o.order_id LIMIT :page
""")
_ATTEMPTS: Final = text("""
    SELECT order_id, signature, attempt, payload, last_valid_height, outcome, threshold_units
    FROM attempts WHERE order_id = ANY(CAST(:ids AS uuid[])) ORDER BY order_id, attempt
""")
_UNFINISHED: Final = text(
    "SELECT account_id FROM orders WHERE ended_at IS NULL GROUP BY account_id ORDER BY account_id"
)
_COUNT: Final = text(f"SELECT count(*) FROM orders o WHERE {_COMPARED} AND {_IS_HERE}")


@dataclass(slots=True)
class ChainFindings:
    """What came of it: so many orders and attempts, what breaks each rule, and what is unknown.

    Of each rule the first ``SHOWN_MAX`` are kept; ``counts`` has the number of all, by rule and certainty.
    """

    orders: int = 0
    attempts: int = 0
    wallets: int = 0
    counts: Counter[tuple[Rule, bool]] = field(default_factory=Counter)
    shown: dict[tuple[Rule, bool], list[Difference]] = field(default_factory=dict)

    def note(self, differences: Iterable[Difference]) -> None:
        for one in differences:
            key = one.rule, one.is_unknown
            self.counts[key] += 1
            if self.counts[key] <= SHOWN_MAX:
                self.shown.setdefault(key, []).append(one)

    @property
    def is_broken(self) -> bool:
        return any(count for (_, is_unknown), count in self.counts.items() if not is_unknown)

    @property
    def is_unknown(self) -> bool:
        return any(count for (_, is_unknown), count in self.counts.items() if is_unknown)


class ChainAudit:
    """Compares a database with the chain behind some nodes."""

    def __init__(
        self,
        nodes: RpcNodes,
        reader: ChainReader,
        tokens: Tokens,
        *,
        chain: str,
        time_limit_s: float,
        archives: ArchiveStore | None = None,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._nodes, self._reader, self._tokens = nodes, reader, tokens
        self._chain, self._time_limit_s = chain, time_limit_s
        self._archives, self._pause = archives, pause
        self._unanswered = 0

    @property
    def chain(self) -> str:
        """What a record calls the chain."""
        return self._chain

    def slot(self) -> int:
        """Return the chain's slot; ask before the snapshot is taken, so that what landed by then is in it.

        Raises:
            NodeError: No node answers.
        """
        found: int = epoch_info(self._patiently(lambda: self._ask(get_epoch_info()))).slot
        return found

    def count(self, connection: Connection) -> int:
        """Return how many orders there are to compare."""
        return int(connection.execute(_COUNT, {"chain": self._chain}).scalar_one())

    def run(
        self,
        connection: Connection,
        *,
        up_to_slot: int,
        advance: Callable[[int], None] = lambda _: None,
        wallets: Iterable[Pubkey] = (),
    ) -> ChainFindings:
        """Compare all of it.

        Args:
            connection: In a transaction at REPEATABLE READ: what is recorded later is not looked at.
            up_to_slot: From before that transaction: what our wallets sent later may be recorded later, too.
            advance: Told after each page how many orders it had.
            wallets: To be looked at beside those that attempts name.
        """
        for mint, decimals in found_mint_scales(connection).items():
            self._tokens.learn(new_token(mint, decimals))
        found = ChainFindings()
        keys = set(map(bytes, wallets))
        for orders in _pages(connection, self._chain):
            attempts = [attempt for order in orders for attempt in order.attempts]
            keys |= {key for one in attempts if (key := authority_of(one.payload)) is not None}
            found.orders += len(orders)
            found.attempts += len(attempts)
            found.note(self._compared(orders, [one.signature for one in attempts]))
            advance(len(orders))
        found.wallets = len(keys)
        strays = StrayTransactions(lambda call: self._patiently(lambda: self._ask(call)), self._archives)
        for key in sorted(keys):
            found.note(strays.of(connection, Pubkey(key), up_to_slot))
        return found

    def _compared(self, orders: Sequence[ComparedOrder], signatures: Sequence[str]) -> Iterator[Difference]:
        view, problem = self._view(signatures)
        if view is None:
            for signature in signatures:
                yield Difference(Rule.OUTCOME, signature, f"no node answered: {problem}", is_unknown=True)
            return
        for order in orders:
            yield from compared(order, view, self._tokens)

    def _view(self, signatures: Sequence[str]) -> tuple[ChainView | None, str]:
        """Return what nodes say of a page, or why there is nothing."""
        if self._unanswered >= _GIVES_UP_AFTER:
            return None, "not asked any more, after others were not answered"
        try:
            view: ChainView = self._patiently(lambda: self._reader.view(signatures))
        except NodeError as error:
            self._unanswered += 1
            return None, str(error)
        self._unanswered = 0
        return view, ""

    def _ask(self, call: Any) -> Any:
        return self._nodes.ask(call, time_limit_s=self._time_limit_s)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return ask()
            except NodeError:
                self._pause(_PAUSE_S)
        return ask()


def wallets_of_unfinished(connection: Connection, seed: bytes) -> list[Pubkey]:
    """Return the wallets of a seed that sign for unfinished orders, and the seed's desk.

    In a record that was set back an order may rest that executed, and no attempt names its wallet.
    """
    seeds = SeedSigner(seed)
    accounts = connection.execute(_UNFINISHED).scalars()
    return [desk_key_of(seed).key, *(seeds.wallet(account_id).authority for account_id in accounts)]


def _pages(connection: Connection, chain: str) -> Iterator[list[ComparedOrder]]:
    after = _FIRST
    while rows := connection.execute(_ORDERS, {"after": str(after), "page": _PAGE, "chain": chain}).all():
        here = [row for row in rows if row.is_here]
        ids = [str(row.order_id) for row in here]
        of: dict[UUID, list[Attempt]] = {}
        for one in connection.execute(_ATTEMPTS, {"ids": ids}):
            attempt = Attempt(
                one.signature,
                one.attempt,
                bytes(one.payload),
                one.last_valid_height,
                one.outcome,
                int(one.threshold_units),
            )
            of.setdefault(one.order_id, []).append(attempt)
        if here:
            yield [_order(row, tuple(of.get(row.order_id, ()))) for row in here]
        after = rows[-1].order_id


def _order(row: Any, attempts: tuple[Attempt, ...]) -> ComparedOrder:
    return ComparedOrder(
        row.order_id,
        OrderStatus(row.status),
        SwapMode(row.swap_mode),
        row.input_token,
        row.output_token,
        int(row.amount_units),
        row.tx_signature,
        None if row.input_units is None else int(row.input_units),
        None if row.output_units is None else int(row.output_units),
        _published(row),
        attempts,
    )


def _published(row: Any) -> JsonObject:
    """Return what was published last; nothing if it cannot be read, which the event chain tells of."""
    try:
        return stored_fields(row.published or {}, row.packed)
    except UnreadableFieldsError:
        return {}
