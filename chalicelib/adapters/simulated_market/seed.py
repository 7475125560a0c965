"""Opening the market, and bringing its pools back to where they opened."""

import json
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.simulated_market.definition import MarketDefinition, PoolDefinition
from chalicelib.adapters.simulated_market.ledger_replay import MATHS
from chalicelib.adapters.simulated_market.locking import LANDING_LOCK
from chalicelib.adapters.simulated_market.openings import opening_state
from chalicelib.adapters.simulated_market.pool_rows import kind_of, scalars_of
from chalicelib.adapters.simulated_market.wallets import set_faucet
from chalicelib.amm import pools
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool

_LOCK: Final = text("SELECT pg_advisory_xact_lock(:landing_lock)")

# With other maths, what was traded so far cannot be carried out again: the audit begins anew.
_NOTE: Final = text("""
    SELECT market.note_openings(jsonb_agg(pool_id), :maths) FROM market.pools AS pool
    WHERE NOT EXISTS (SELECT FROM market.openings AS old WHERE old.pool_id = pool.pool_id
        AND old.maths = :maths)
       OR pool_id IN (SELECT jsonb_array_elements_text(CAST(:opened AS jsonb)))
    HAVING count(*) > 0
""")

# `make run` may be given the login of the functions, for a database that its owner has prepared.
_IS_OWNER: Final = text("SELECT has_table_privilege('market.faucet', 'INSERT')")

_POOL_IDS: Final = text("SELECT pool_id FROM market.pools")

# What pools hold leaves circulation with them; wallets and the history of transactions stay.
_CLOSE: Final = text("""
    WITH held AS (
        SELECT token, sum(tradable + lp_fees + protocol_fees + fund_fees + creator_fees) AS units
        FROM market.vaults GROUP BY token
    ),
    withdrawn AS (
        UPDATE market.supply SET issued = issued - held.units FROM held WHERE held.token = supply.token
    ),
    listed AS (
        INSERT INTO market.issues (place, token, units, reason)
        SELECT place, token, -units, 'closing' FROM market.holdings()
        WHERE units <> 0 AND place IN (SELECT pool_id FROM market.pools)
    ),
    renewed AS (UPDATE market.chain SET epoch = epoch + 1)
    DELETE FROM market.pools
""")

_OPEN: Final = text("""
    WITH issued AS (
        INSERT INTO market.supply AS old (token, issued)
        SELECT token, sum(tradable) FROM jsonb_to_recordset(CAST(:vaults AS jsonb))
            AS new (token text, tradable numeric)
        GROUP BY token ORDER BY token
        ON CONFLICT (token) DO UPDATE SET issued = old.issued + excluded.issued
    ),
    listed AS (
        INSERT INTO market.issues (place, token, units, reason)
        SELECT pool_id, token, tradable, 'opening' FROM jsonb_to_recordset(CAST(:vaults AS jsonb))
            AS new (pool_id text, token text, tradable numeric)
        WHERE tradable > 0
    ),
    launched AS (
        INSERT INTO market.launches (pool_id, opened_at, height)
        SELECT pool_id, opened_at, height FROM jsonb_to_recordset(CAST(:pools AS jsonb))
            AS new (pool_id text, opened_at timestamptz, height bigint)
        WHERE opened_at IS NOT NULL
    )
    INSERT INTO market.pools (pool_id, venue, kind, token_0, token_1, state, version)
    SELECT pool_id, venue, kind, token_0, token_1, state, 1
    FROM jsonb_to_recordset(CAST(:pools AS jsonb))
        AS new (pool_id text, venue text, kind text, token_0 text, token_1 text, state jsonb)
""")

_FILL: Final = text("""
    WITH bin AS (
        INSERT INTO market.bins (pool_id, bin_id, amount_x, amount_y, version)
        SELECT pool_id, bin_id, amount_x, amount_y, 1 FROM jsonb_to_recordset(CAST(:bins AS jsonb))
            AS new (pool_id text, bin_id integer, amount_x numeric, amount_y numeric)
    ),
    tick AS (
        INSERT INTO market.ticks (pool_id, tick, liquidity_net, version)
        SELECT pool_id, tick, liquidity_net, 1 FROM jsonb_to_recordset(CAST(:ticks AS jsonb))
            AS new (pool_id text, tick integer, liquidity_net numeric)
    )
    INSERT INTO market.vaults (pool_id, token, tradable)
    SELECT pool_id, token, tradable FROM jsonb_to_recordset(CAST(:vaults AS jsonb))
        AS new (pool_id text, token text, tradable numeric)
""")


def seed(engine: Engine, market: MarketDefinition) -> int:
    """Open the pools that the ledger does not have yet; return how many. Safe to repeat."""
    with engine.begin() as connection:
        connection.execute(_LOCK, {"landing_lock": LANDING_LOCK})
        if connection.execute(_IS_OWNER).scalar_one():
            set_faucet(connection, market.tokens)
        return _open_missing(connection, market)


def reset(engine: Engine, market: MarketDefinition) -> int:
    """Close all pools, with what they hold, and open those defined; return how many."""
    with engine.begin() as connection:
        connection.execute(_LOCK, {"landing_lock": LANDING_LOCK})
        connection.execute(_CLOSE)
        return _open_missing(connection, market)


def _open_missing(connection: Connection, market: MarketDefinition) -> int:
    there = set(connection.execute(_POOL_IDS).scalars())
    missing = [pool for pool in market.pools if pool.pool_id not in there]
    if missing:
        rows = {name: json.dumps(found) for name, found in _rows(missing).items()}
        connection.execute(_OPEN, {"pools": rows["pools"], "vaults": rows["vaults"]})
        connection.execute(_FILL, {name: rows[name] for name in ("bins", "ticks", "vaults")})
    if connection.execute(_IS_OWNER).scalar_one():
        opened = json.dumps([pool.pool_id for pool in missing])
        connection.execute(_NOTE, {"opened": opened, "maths": MATHS})
    return len(missing)


def _rows(definitions: Iterable[PoolDefinition]) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"pools": [], "vaults": [], "bins": [], "ticks": []}
    for pool in definitions:
        state, pool_id = opening_state(pool), pool.pool_id
        tokens = pool.base.symbol, pool.quote.symbol
        rows["pools"].append(
            {
                "pool_id": pool_id,
                "venue": pool.venue,
                "kind": kind_of(state),
                "token_0": tokens[0],
                "token_1": tokens[1],
                "state": scalars_of(state),
                "opened_at": None if pool.opening is None else pool.opening.at.isoformat(),
                "height": None if pool.opening is None else pool.opening.height,
            }
        )
        rows["vaults"] += [
            {"pool_id": pool_id, "token": token, "tradable": units}
            for token, units in zip(tokens, _vaults(state), strict=True)
        ]
        if isinstance(state, DlmmPool):
            rows["bins"] += [{"pool_id": pool_id, **bin_._asdict()} for bin_ in state.bins]
        if isinstance(state, ClmmPool):
            rows["ticks"] += [{"pool_id": pool_id, **tick._asdict()} for tick in state.ticks]
    return rows


def _vaults(state: pools.Pool) -> tuple[int, int]:
    """Return what the vaults must hold at least, so that roundings never run one dry."""
    units_0, units_1 = pools.reserves(state)
    # Each range of a CLMM is rounded on its own: one unit more per tick (see `amm.raydium_clmm`).
    spare = len(state.ticks) if isinstance(state, ClmmPool) else 0
    return units_0 + spare, units_1 + spare
