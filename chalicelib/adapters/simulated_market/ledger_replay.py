"""The pools' states, computed anew from where they opened and
every transaction since, in the order they landed.

A signature binds a trader to a worst case, not to what the pools paid out. What they must
have paid out follows from their maths alone, so amounts that were booked otherwise show, and
so does a state that no transaction led to.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from chalicelib.adapters.simulated_market.balance import LedgerViolation
from chalicelib.adapters.simulated_market.pool_cache import Snapshot
from chalicelib.adapters.simulated_market.pool_rows import MarketPool, pool_of
from chalicelib.amm import pools
from chalicelib.amm.swaps import Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.exactness import EXACT

MATHS: Final = 1
"""To be raised whenever a pool would take, pay or keep other amounts than before,
or its state be written otherwise.
"""

_PAGE: Final = 1_000

_OPENINGS: Final = text("""
    SELECT pool_id, after_ordinal, kind, state, bins, ticks FROM market.openings
    WHERE maths = :maths ORDER BY after_ordinal
""")
_POOLS: Final = text("SELECT to_jsonb(pool) AS pool FROM market.changed_pools('{}', -1) AS pool")
_FOLDED: Final = text("SELECT ordinal FROM market.folded")
_LANDED: Final = text("""
    SELECT t.ordinal, t.signature, t.error, t.landed_at, t.input_units, t.output_units,
        market.named_legs(t.legs) AS legs, floor(extract(epoch FROM t.landed_at))::bigint AS now_s,
        CASE WHEN t.order_id IS NULL THEN 'exact_in' ELSE o.swap_mode END AS swap_mode
    FROM market.transactions t LEFT JOIN orders o USING (order_id)
    WHERE t.ordinal > :after ORDER BY t.ordinal LIMIT :page
""")


def check_replay(connection: Connection) -> Iterator[LedgerViolation]:
    """Yield each transaction whose legs are not what the pools
    would have paid, and each pool in another state.

    A pool is followed up to the first that does not fit.
    """
    replay, after = LedgerReplay(connection), folded_to(connection)
    while landed := landed_after(connection, after, _PAGE):
        for row in landed:
            yield from replay.follow(row)
        after = landed[-1].ordinal
    yield from replay.differences()


def folded_to(connection: Connection) -> int:
    """Return the last transaction that the openings and the folded flows contain."""
    return int(connection.execute(_FOLDED).scalar_one())


def landed_after(connection: Connection, ordinal: int, most: int) -> Sequence[Any]:
    """Return the next transactions of the ledger, in the order they landed."""
    return connection.execute(_LANDED, {"after": ordinal, "page": most}).all()


class LedgerReplay:
    """Pools that transactions are carried out on anew.

    Attributes:
        states: Where the pools stand by now; None for one that is not followed any more.
    """

    def __init__(self, connection: Connection) -> None:
        rows = [row.pool for row in connection.execute(_POOLS)]
        self._now = Snapshot().updated(rows).pools
        self._openings = deque(connection.execute(_OPENINGS, {"maths": MATHS}))
        self.states: dict[str, pools.Pool | None] = {}

    def open_until(self, ordinal: int) -> None:
        """Open the pools that opened before a transaction."""
        while self._openings and self._openings[0].after_ordinal < ordinal:
            opening = self._openings.popleft()
            self.states[opening.pool_id] = pool_of(
                opening.kind, opening.state, opening.bins or (), opening.ticks or (), None
            )

    def follow(self, row: Any) -> Iterator[LedgerViolation]:
        """Carry the next transaction out; yield what is wrong with it."""
        self.open_until(row.ordinal)
        if row.error is None:
            for leg in row.legs:
                problem = _follow(leg, _modes(row.swap_mode), row.now_s, self.states, self._now)
                if problem:
                    yield LedgerViolation(row.signature, problem)

    def differences(self) -> Iterator[LedgerViolation]:
        """Yield the pools that stand elsewhere than where they have been followed to."""
        if self._openings:
            self.open_until(self._openings[-1].after_ordinal + 1)
        for pool_id, pool in self._now.items():
            if pool_id not in self.states:
                yield LedgerViolation(pool_id, "it was never opened")
            elif self.states[pool_id] not in (None, pool.state):
                yield LedgerViolation(pool_id, "its state is not the one that its transactions lead to")


def _follow(
    leg: Mapping[str, Any],
    modes: Sequence[SwapMode],
    now_s: int,
    states: dict[str, pools.Pool | None],
    known: Mapping[str, MarketPool],
) -> str | None:
    """Carry a leg out on the states; return what is wrong with it, if anything is."""
    pool_id = leg["pool_id"]
    if pool_id not in known:
        return None  # closed for good: what it held went with it
    state = states.get(pool_id)
    if state is None:
        return None
    booked = leg["input_units"], leg["output_units"]
    token_in: TokenIndex = 0 if leg["token_in"] == known[pool_id].tokens[0] else 1
    problem = None
    for mode in modes:
        amount = booked[0] if mode is SwapMode.EXACT_IN else booked[1]
        try:
            result, after = pools.swap(state, Swap(EXACT[mode], amount, token_in, now_s))
        except SwapRefusedError as refused:
            problem = f"{pool_id} would have refused the swap: {refused.refusal}"
            continue
        if (result.amount_in, result.amount_out) == booked:
            states[pool_id] = after
            return None
        problem = (
            f"{pool_id} would have taken {result.amount_in} and paid {result.amount_out}, "
            f"booked are {booked[0]} and {booked[1]}"
        )
    states[pool_id] = None
    return problem


def _modes(known: str | None) -> Sequence[SwapMode]:
    """Return how a swap was asked for; either way, if the record has forgotten its order."""
    return tuple(SwapMode) if known is None else (SwapMode(known),)
