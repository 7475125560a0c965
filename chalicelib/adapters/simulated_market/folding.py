"""Folding: the ledger's oldest transactions become the states and the balances that they led to.

The ledger would only grow. So what landed long ago is carried out anew, as the audit does it, and what comes
of it is kept instead: where each pool stood after it (``market.openings``), and what each place had moved
(``market.folded_flows``). A transaction's row goes with it, unless it is of an order that no archive holds
yet: it stays as that order's evidence, and goes when the order is archived.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, takewhile
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.simulated_market.balance import LedgerViolation
from chalicelib.adapters.simulated_market.ledger_replay import MATHS, LedgerReplay, folded_to, landed_after
from chalicelib.adapters.simulated_market.pool_rows import kind_of, scalars_of
from chalicelib.amm import pools
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.logs import logger

PART_MAX: Final = 2_000
"""Transactions folded at a time: one and a half seconds of pools' maths."""

# As the audit's own rule has it: of what is folded it is not asked again.
_UNTIMELY: Final = text("""
SELECT signature, landed_at, height FROM market.transactions
WHERE ordinal > :after AND ordinal <= :up_to
    AND (height < market.height_at(landed_at - interval '1 ms')
         OR height > market.height_at(landed_at + interval '1 ms'))
LIMIT 1
""")
_FOLD: Final = text("""
SELECT market.fold(CAST(:after AS bigint), CAST(:up_to AS bigint), CAST(:maths AS integer),
    CAST(:states AS jsonb))
""")


class LedgerFolding:
    """``Ledger`` on the simulated market; where there is none, nothing ever lands."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def fold(self, landed_before: datetime) -> int:
        with translated_errors(), self._single.connect() as connection:
            return _fold(connection, landed_before)


def _fold(connection: Connection, landed_before: datetime) -> int:
    after = folded_to(connection)
    found = landed_after(connection, after, PART_MAX)
    landed = list(takewhile(lambda row: row.landed_at < landed_before, found))
    if not landed:
        return 0
    part, replay = {"after": after, "up_to": landed[-1].ordinal}, LedgerReplay(connection)
    problem = next(chain(_untimely(connection, part), *(_problems(replay, row) for row in landed)), None)
    if problem is not None:
        # Without the rows nothing would show any more that the ledger was tampered with.
        logger.error("ledger not folded", tx_signature=problem.subject, reason=problem.problem)
        return 0
    replay.open_until(part["up_to"] + 1)
    states = json.dumps(_rows(replay.states))
    is_done = connection.execute(_FOLD, {**part, "maths": MATHS, "states": states}).scalar_one()
    return len(landed) if is_done else 0


def _problems(replay: LedgerReplay, row: Any) -> Iterator[LedgerViolation]:
    yield from replay.follow(row)
    yield from _sums(row)


def _untimely(connection: Connection, part: Mapping[str, int]) -> Iterator[LedgerViolation]:
    for row in connection.execute(_UNTIMELY, part):
        yield LedgerViolation(
            row.signature, f"it landed at {row.landed_at}, which is not at height {row.height}"
        )


def _sums(row: Any) -> Iterator[LedgerViolation]:
    """Yield a transaction whose legs do not add up to what it moved."""
    moved: Counter[str] = Counter()
    for leg in row.legs:
        moved[leg["token_in"]] -= int(leg["input_units"])
        moved[leg["token_out"]] += int(leg["output_units"])
    if row.error is None and sorted(filter(None, moved.values())) != [-row.input_units, row.output_units]:
        yield LedgerViolation(row.signature, "its legs do not add up to what it moved")


def _rows(states: Mapping[str, pools.Pool | None]) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "pool_id": pool_id,
            "kind": kind_of(state),
            "state": scalars_of(state),
            "bins": [list(bin_) for bin_ in state.bins] if isinstance(state, DlmmPool) else None,
            "ticks": [list(mark) for mark in state.ticks] if isinstance(state, ClmmPool) else None,
        }
        for pool_id, state in states.items()
        if state is not None
    ]
