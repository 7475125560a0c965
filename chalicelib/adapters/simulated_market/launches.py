"""The openings of pools that opened in a market that was there already."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.watches import DirectedPair

OPENINGS_MAX: Final = 1_000
"""Of some pairs, the newest."""

# The market's clock may be ahead of ours, which orders are accepted by.
_SEEN: Final = Statement("""
    SELECT market.height_at(market.now()) AS height, (
        SELECT jsonb_agg(jsonb_build_array(found.pool_id, found.height, found.opened_at)) FROM (
            SELECT launch.pool_id, launch.height, launch.opened_at - chain.clock_offset AS opened_at
            FROM market.launches AS launch JOIN market.pools AS pool USING (pool_id)
            WHERE EXISTS (
                SELECT FROM jsonb_to_recordset(CAST(:pairs AS jsonb))
                    AS pair (input_token text, output_token text)
                WHERE (pool.token_0, pool.token_1)
                      IN ((input_token, output_token), (output_token, input_token))
                   OR (output_token = '*' AND input_token IN (pool.token_0, pool.token_1)
                       AND EXISTS (SELECT FROM market.tokens WHERE mint IN (pool.token_0, pool.token_1))))
            ORDER BY launch.opened_at DESC LIMIT CAST(:most AS integer)
        ) AS found
    ) AS openings
    FROM market.chain
""")


class MarketOpenings:
    """``Openings`` on the market in Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        asked = {
            "pairs": json.dumps([pair._asdict() for pair in pairs]),
            "most": OPENINGS_MAX,
        }
        with translated_errors():
            (row,) = self._database.execute(_SEEN, asked)
        return SeenOpenings(
            row.height,
            {
                pool_id: Opening(height, datetime.fromisoformat(opened_at))
                for pool_id, height, opened_at in row.openings or ()
            },
        )
