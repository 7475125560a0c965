"""``Watches`` on Postgres.

Whatever number of orders rests, a price costs one search of an index per direction.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Asked, Database, DatabaseSession, Row, Statement
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES
from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import DirectedPair, Fired, FiredBy, MarkRange, SeenPrice, Watch
from chalicelib.services.resting.ports import ArmedLook, ArmedPair

WOKEN_AGAIN_S: Final = 5
"""No sooner is a watch due again that its time has fired, and that is armed for a time which has passed."""

# Read before it is written: a new number is taken only for a pair that has none.
PAIRS: Final = Statement("""
INSERT INTO watch_pairs (input_token, output_token)
SELECT DISTINCT p.input_token, p.output_token
FROM jsonb_to_recordset(CAST(:pairs AS jsonb)) AS p (input_token text, output_token text)
WHERE NOT EXISTS (SELECT FROM watch_pairs AS old
                  WHERE (old.input_token, old.output_token) = (p.input_token, p.output_token))
ORDER BY p.input_token, p.output_token
ON CONFLICT DO NOTHING
""")

_WATCH: Final = """
    order_id uuid, input_token text, output_token text, direction text, look smallint, rate_out numeric,
    rate_in numeric, wake_key numeric, own_key numeric, accepted_at timestamptz, wake_at timestamptz,
    since_height bigint, within_s double precision
"""

# A consumer whose clock is behind puts off to moments that have passed here: what was just woken would be
# woken again at each look, until that clock is there.
ARM: Final = Statement(f"""
INSERT INTO watches (order_id, accepted_at, wake_at, since_height, pair_id, look, armed, direction,
    rate_out, rate_in, wake_key, own_key)
SELECT w.order_id, w.accepted_at, least(w.wake_at, clock_timestamp() + make_interval(secs => w.within_s)),
    w.since_height, p.pair_id, w.look, true, w.direction, w.rate_out,
    w.rate_in, w.wake_key, w.own_key
FROM jsonb_to_recordset(CAST(:watches AS jsonb)) AS w ({_WATCH})
JOIN watch_pairs AS p USING (input_token, output_token)
ORDER BY w.order_id
ON CONFLICT (order_id) DO UPDATE SET
    wake_at = CASE
        WHEN watches.fired_by = 'time' AND excluded.wake_at <= clock_timestamp()
            THEN clock_timestamp() + {WOKEN_AGAIN_S} * interval '1 second'
        ELSE excluded.wake_at
    END, since_height = excluded.since_height, pair_id = excluded.pair_id,
    look = excluded.look, direction = excluded.direction, rate_out = excluded.rate_out,
    rate_in = excluded.rate_in, wake_key = excluded.wake_key, own_key = excluded.own_key, armed = true,
    fired_at = NULL, sent_at = NULL, fired_by = NULL, fired_height = NULL, seen_out = NULL, seen_in = NULL
""")

DISARM: Final = Statement("""
DELETE FROM watches WHERE order_id IN (
    SELECT CAST(order_id AS uuid)
    FROM jsonb_array_elements_text(CAST(:order_ids AS jsonb)) AS named (order_id))
RETURNING order_id
""")

# One step of an index from each pair and look that anything is armed for to the next, at the watch that is
# met first: pairs that something was armed for once cost nothing.
_WALK: Final = """
{direction} AS (
    (SELECT w.pair_id, w.look, w.wake_key FROM watches AS w
     WHERE w.armed AND w.direction = '{direction}'
     ORDER BY w.pair_id, w.look, w.wake_key {order} LIMIT 1)
    UNION ALL
    SELECT next.pair_id, next.look, next.wake_key FROM {direction} AS last CROSS JOIN LATERAL (
        SELECT w.pair_id, w.look, w.wake_key FROM watches AS w
        WHERE w.armed AND w.direction = '{direction}' AND (w.pair_id, w.look) > (last.pair_id, last.look)
        ORDER BY w.pair_id, w.look, w.wake_key {order} LIMIT 1) AS next
)
"""

_ARMED: Final = Statement(f"""
WITH RECURSIVE {_WALK.format(direction="at_least", order="")},
{_WALK.format(direction="at_most", order="DESC")}
SELECT p.input_token, p.output_token, found.looks
FROM (SELECT pair_id, array_agg(concat_ws(' ', direction, look, wake_key) ORDER BY direction, look) AS looks
      FROM (SELECT 'at_least' AS direction, * FROM at_least UNION ALL SELECT 'at_most', * FROM at_most) AS w
      GROUP BY pair_id) AS found
-- With the limit each is looked up: a join may read all pairs.
CROSS JOIN LATERAL (SELECT * FROM watch_pairs AS p WHERE p.pair_id = found.pair_id LIMIT 1) AS p
""")

# Likewise, from each pair that has a watch, armed or fired, to the next.
WATCHED: Final = """
watched AS (
    (SELECT kept_pair AS pair_id FROM watches ORDER BY kept_pair LIMIT 1)
    UNION ALL
    SELECT next.kept_pair FROM watched AS last CROSS JOIN LATERAL (
        SELECT kept_pair FROM watches WHERE kept_pair > last.pair_id ORDER BY kept_pair LIMIT 1) AS next
)
"""

_FIELDS: Final = ("order_id", "firing", "fired_by", "look", "fired_at", "seen_out", "seen_in", "fired_height")
_RETURNED: Final = ", ".join(f"w.{name}" for name in _FIELDS)
_SELECTED: Final = ", ".join((*_FIELDS, "o.account_id"))

# The key finds, the fraction decides. What another matcher is just firing is left to it.
_FIRE: Final = """
WITH hit AS (
    SELECT found.order_id, t.seen_out, t.seen_in, t.height
    FROM jsonb_to_recordset(CAST(:seen AS jsonb)) AS t (
        input_token text, output_token text, look smallint, key numeric, seen_out numeric, seen_in numeric,
        height bigint, from_height bigint)
    JOIN watch_pairs AS p USING (input_token, output_token)
    CROSS JOIN LATERAL (
        SELECT order_id FROM watches
        WHERE armed AND direction = '{direction}' AND pair_id = p.pair_id AND look = t.look
          AND wake_key {side} t.key AND since_height <= t.from_height
          AND rate_out * t.seen_in {side} t.seen_out * rate_in
        ORDER BY wake_key {order}, accepted_at LIMIT CAST(:limit AS integer) FOR UPDATE SKIP LOCKED
    ) AS found
), fired AS (
    UPDATE watches AS w
    SET armed = false, fired_at = clock_timestamp(), sent_at = clock_timestamp(), fired_by = 'rate',
        firing = w.firing + 1, fired_height = hit.height, seen_out = hit.seen_out, seen_in = hit.seen_in
    FROM hit WHERE w.order_id = hit.order_id
    RETURNING {returned}, w.wake_key, w.accepted_at
)
SELECT {selected} FROM fired JOIN orders AS o USING (order_id)
ORDER BY fired.wake_key {order}, fired.accepted_at, order_id
"""

_FIRE_RISING: Final = Statement(
    _FIRE.format(direction="at_least", side="<=", order="ASC", returned=_RETURNED, selected=_SELECTED)
)
_FIRE_FALLING: Final = Statement(
    _FIRE.format(direction="at_most", side=">=", order="DESC", returned=_RETURNED, selected=_SELECTED)
)

# The statement's own time: an index cannot be asked for what clock_timestamp() says, which changes meanwhile,
# so that every watch that has a time would be read for the few that are due.
_WAKE: Final = Statement(f"""
WITH due AS (
    SELECT order_id, wake_at FROM watches WHERE armed AND wake_at <= statement_timestamp()
    ORDER BY wake_at LIMIT CAST(:limit AS integer) FOR UPDATE SKIP LOCKED
), fired AS (
    UPDATE watches AS w
    SET armed = false, fired_at = clock_timestamp(), sent_at = clock_timestamp(), fired_by = 'time',
        firing = w.firing + 1
    FROM due WHERE w.order_id = due.order_id
    RETURNING {_RETURNED}, w.wake_at
)
SELECT {_SELECTED} FROM fired JOIN orders AS o USING (order_id) ORDER BY fired.wake_at, order_id
""")

# A watch that its order's end has left behind, which none should, goes here rather than fire for ever.
_RESEND: Final = Statement(f"""
WITH lost AS (
    SELECT order_id FROM watches
    WHERE NOT armed
      AND sent_at <= statement_timestamp() - CAST(:unclaimed_for_ms AS integer) * interval '1 millisecond'
    ORDER BY sent_at LIMIT CAST(:limit AS integer) FOR UPDATE SKIP LOCKED
), left_behind AS (
    DELETE FROM watches AS w USING lost JOIN orders AS o USING (order_id)
    WHERE w.order_id = lost.order_id AND o.status IN {FINAL_STATUSES}
)
UPDATE watches AS w SET sent_at = clock_timestamp()
FROM lost JOIN orders AS o USING (order_id)
WHERE w.order_id = lost.order_id AND o.status NOT IN {FINAL_STATUSES}
RETURNING {_RETURNED}, o.account_id
""")

# Noted ahead of time, by as long as it has been fired. All of its messages wait where consumers are off, for
# hours perhaps, and what is new has to wait behind them. What a consumer holds is just being taken up.
SENT_AGAIN_WITHIN_S: Final = 3_600
_PUT_OFF: Final = Statement(f"""
WITH waits AS (
    SELECT w.order_id
    FROM jsonb_to_recordset(CAST(:sent AS jsonb)) AS sent (order_id uuid, firing integer)
    JOIN watches AS w ON w.order_id = sent.order_id AND w.firing = sent.firing AND NOT w.armed
    FOR UPDATE OF w SKIP LOCKED
)
UPDATE watches AS w SET sent_at = clock_timestamp()
    + greatest(interval '0',
        least(clock_timestamp() - w.fired_at, make_interval(secs => {SENT_AGAIN_WITHIN_S})))
FROM waits WHERE w.order_id = waits.order_id
""")


_FIRED_AMONG: Final = Statement(
    f"SELECT {_SELECTED} FROM watches JOIN orders AS o USING (order_id) "
    "WHERE order_id = ANY(:order_ids) AND NOT armed"
)

_FORGET: Final = Statement("""
UPDATE watches AS w SET wake_key = w.own_key, own_key = NULL
FROM jsonb_to_recordset(CAST(:pairs AS jsonb)) AS t (input_token text, output_token text)
JOIN watch_pairs AS p USING (input_token, output_token)
WHERE w.armed AND w.own_key IS NOT NULL AND w.pair_id = p.pair_id
RETURNING w.order_id
""")

# One observer at a time: each has to see what the one before saw, or a dip between two looks goes unnoticed.
_OBSERVERS_LOCK: Final = Statement("SELECT pg_advisory_xact_lock(:key)")
_OBSERVERS_KEY: Final = 0x6F6D726B

# Nothing is written, and so nothing has to reach the disk, where a look adds nothing to its block's.
_OBSERVE: Final = Statement("""
WITH looked AS (
    SELECT p.pair_id, t.mark
    FROM jsonb_to_recordset(CAST(:marks AS jsonb)) AS t (input_token text, output_token text, mark numeric)
    JOIN watch_pairs AS p USING (input_token, output_token)
), seen AS (
    INSERT INTO marks (pair_id, height, low, high)
    SELECT pair_id, CAST(:height AS bigint), mark, mark FROM looked
    WHERE NOT EXISTS (SELECT FROM marks AS old
                      WHERE old.pair_id = looked.pair_id AND old.height = CAST(:height AS bigint)
                        AND looked.mark BETWEEN old.low AND old.high)
    ORDER BY pair_id
    ON CONFLICT (pair_id, height) DO UPDATE
    SET low = least(marks.low, excluded.low), high = greatest(marks.high, excluded.high)
    RETURNING pair_id, height, low, high
), gone AS (
    DELETE FROM marks USING seen
    -- Heights far ahead are another chain's.
    WHERE marks.pair_id = seen.pair_id AND abs(marks.height - seen.height) > 2 * CAST(:keep AS integer)
), kept AS (
    SELECT marks.* FROM marks JOIN looked USING (pair_id)
    WHERE marks.height <= CAST(:height AS bigint)
      AND marks.height > CAST(:height AS bigint) - CAST(:keep AS integer)
      AND NOT EXISTS (SELECT FROM seen WHERE (seen.pair_id, seen.height) = (marks.pair_id, marks.height))
    UNION ALL SELECT * FROM seen
)
SELECT p.input_token, p.output_token, kept.height, kept.low, kept.high
FROM kept JOIN watch_pairs AS p USING (pair_id) ORDER BY kept.pair_id, kept.height
""")


class PostgresWatches:
    """``Watches`` on Postgres. ``arming`` and ``disarming`` are for transactions that also move the order."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def armed(self) -> Sequence[ArmedPair]:
        with translated_errors():
            rows = self._database.execute(_ARMED)
        return [
            ArmedPair(DirectedPair(row.input_token, row.output_token), tuple(map(_armed_look, row.looks)))
            for row in rows
        ]

    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
        fired: list[Fired] = []
        for statement, direction in (
            (_FIRE_RISING, Direction.AT_LEAST),
            (_FIRE_FALLING, Direction.AT_MOST),
        ):
            of_it = [_price_row(one) for one in seen if one.direction is direction]
            if of_it:
                with translated_errors():
                    rows = self._database.execute(statement, {"seen": json.dumps(of_it), "limit": limit})
                fired += map(_fired, rows)
        return fired

    def wake(self, *, limit: int) -> Sequence[Fired]:
        with translated_errors():
            return [_fired(row) for row in self._database.execute(_WAKE, {"limit": limit})]

    def resend(self, *, unclaimed_for_ms: int, limit: int) -> Sequence[Fired]:
        parameters = {"unclaimed_for_ms": unclaimed_for_ms, "limit": limit}
        with translated_errors():
            return [_fired(row) for row in self._database.execute(_RESEND, parameters)]

    def put_off(self, sent: Sequence[Fired]) -> None:
        named = [{"order_id": str(one.order_id), "firing": one.firing} for one in sent]
        with translated_errors():
            self._database.execute(_PUT_OFF, {"sent": json.dumps(named)})

    def forget_wake_rates(self, pairs: Sequence[DirectedPair]) -> int:
        with translated_errors():
            return len(self._database.execute(_FORGET, {"pairs": _pairs(pairs)}))

    def observe(
        self, height: int, marks: Mapping[DirectedPair, Decimal], *, keep: int
    ) -> Mapping[DirectedPair, Sequence[MarkRange]]:
        seen = json.dumps([pair._asdict() | {"mark": str(mark)} for pair, mark in marks.items()])
        with translated_errors(), self._database.transaction() as session:
            _, _, rows = session.finish(
                (_OBSERVERS_LOCK, {"key": _OBSERVERS_KEY}),
                (PAIRS, {"pairs": _pairs(list(marks))}),
                (_OBSERVE, {"marks": seen, "height": height, "keep": keep}),
            )
        found: dict[DirectedPair, list[MarkRange]] = defaultdict(list)
        for row in rows:
            found[DirectedPair(row.input_token, row.output_token)].append(
                MarkRange(row.height, row.low, row.high)
            )
        return found


def arming(watches: Sequence[Watch]) -> tuple[Asked, Asked]:
    """Return the statements that arm watches, one after the other in one transaction."""
    return (
        (PAIRS, {"pairs": _pairs([watch.pair for watch in watches])}),
        (ARM, {"watches": json.dumps([_as_watch(watch) for watch in watches])}),
    )


def disarming(order_ids: Sequence[UUID]) -> Asked:
    """Return the statement that removes watches."""
    return DISARM, {"order_ids": json.dumps([str(order_id) for order_id in order_ids])}


def fired_among(session: DatabaseSession, order_ids: Sequence[UUID]) -> Mapping[UUID, Fired]:
    """Return how watches fired, of those of some orders that have.

    For transactions that hold the orders' rows.
    """
    return {
        row.order_id: _fired(row) for row in session.execute(_FIRED_AMONG, {"order_ids": list(order_ids)})
    }


def _armed_look(said: str) -> ArmedLook:
    direction, look, nearest = said.split(" ")
    return ArmedLook(Direction(direction), int(look), Decimal(nearest))


def _pairs(pairs: Sequence[DirectedPair]) -> str:
    return json.dumps([pair._asdict() for pair in pairs])


def _as_watch(watch: Watch) -> dict[str, Any]:
    return watch.pair._asdict() | {
        "order_id": str(watch.order_id),
        "direction": watch.direction.value,
        "look": watch.look,
        # As text: a number of so many digits would not survive every JSON parser.
        "rate_out": str(watch.rate.output_units),
        "rate_in": str(watch.rate.input_units),
        "wake_key": str(watch.wake_key),
        "own_key": None if watch.wake_rate is None else str(watch.own_key),
        "accepted_at": watch.accepted_at.isoformat(),
        "wake_at": None if watch.wake_at is None else watch.wake_at.isoformat(),
        "since_height": watch.since_height,
        "within_s": None if watch.within is None else watch.within.total_seconds(),
    }


def _price_row(price: SeenPrice) -> dict[str, Any]:
    return price.pair._asdict() | {
        "look": price.look,
        "key": str(price.key),
        "seen_out": str(price.rate.output_units),
        "seen_in": str(price.rate.input_units),
        "height": price.height,
        "from_height": price.from_height,
    }


def _fired(row: Row) -> Fired:
    seen = None if row.seen_out is None else Rate(int(row.seen_out), int(row.seen_in))
    return Fired(
        row.order_id,
        row.account_id,
        row.firing,
        FiredBy(row.fired_by),
        row.look,
        row.fired_at,
        seen,
        row.fired_height,
    )
