"""The market's books must balance, to the last unit, at every moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from chalicelib.adapters.simulated_market.pool_cache import Snapshot
from chalicelib.adapters.simulated_market.pool_rows import MarketPool
from chalicelib.amm import pools
from chalicelib.amm.raydium_cpmm import CpmmPool

# One statement, so one moment: trades may go on meanwhile.
_READ: Final = text("""
    SELECT
        (SELECT jsonb_agg(to_jsonb(total)) FROM (
            SELECT token, sum(held) AS held, sum(issued) AS issued FROM (
                SELECT token, balance AS held, 0 AS issued FROM market.wallets
                UNION ALL
                SELECT token, tradable + lp_fees + protocol_fees + fund_fees + creator_fees, 0
                    FROM market.vaults
                UNION ALL
                SELECT token, 0, issued FROM market.supply
            ) AS part GROUP BY token ORDER BY token
        ) AS total) AS totals,
        (SELECT jsonb_agg(jsonb_build_array(pool_id, token, tradable)) FROM market.vaults) AS vaults,
        (SELECT jsonb_agg(to_jsonb(pool)) FROM market.changed_pools('{}', -1) AS pool) AS pools
""")


@dataclass(frozen=True, slots=True)
class LedgerViolation:
    """Something that the books say and that cannot be; ``subject`` is a token or a vault."""

    subject: str
    problem: str


# A pool that was closed holds nothing, and its entries say so too: what it held was taken back.
_FLOWS: Final = text("""
    SELECT place || ' ' || token AS subject,
        format('%s units are held, %s were issued there and %s moved there', sum(held), sum(issued),
            sum(moved))
            AS problem
    FROM (
        SELECT place, token, units AS held, 0 AS issued, 0 AS moved FROM market.holdings()
        UNION ALL
        SELECT place, token, 0, units, 0 FROM market.issues
        UNION ALL
        SELECT place, token, 0, 0, units FROM market.flows()
    ) AS part
    GROUP BY place, token HAVING sum(held) <> sum(issued) + sum(moved) ORDER BY place, token LIMIT :most
""")

_SUPPLY: Final = text("""
    SELECT token AS subject, format('supply says %s units, the list of issues %s', sum(issued), sum(listed))
        AS problem
    FROM (
        SELECT token, issued, 0 AS listed FROM market.supply
        UNION ALL
        SELECT token, 0, units FROM market.issues
    ) AS part GROUP BY token HAVING sum(issued) <> sum(listed) ORDER BY token
""")

# In between, what comes out of one leg goes into the next. A block's height follows from its time, which is
# kept to the millisecond below.
_TRANSACTIONS: Final = text("""
    SELECT signature AS subject, 'its legs do not add up to what it moved' AS problem
    FROM market.transactions AS landed
    WHERE error IS NULL AND ARRAY[-input_units, output_units] IS DISTINCT FROM (
        SELECT array_agg(net ORDER BY net) FROM (
            SELECT sum(flow.units) AS net
            FROM jsonb_to_recordset(market.named_legs(legs))
                AS leg (token_in text, token_out text, input_units numeric, output_units numeric)
            CROSS JOIN LATERAL (VALUES (leg.token_in, -leg.input_units), (leg.token_out, leg.output_units))
                AS flow (token, units)
            GROUP BY flow.token HAVING sum(flow.units) <> 0
        ) AS net
    )
    UNION ALL
    SELECT signature, format('it landed at %s, which is not at height %s', landed_at, height)
    FROM market.transactions
    WHERE height < market.height_at(landed_at - interval '1 ms')
       OR height > market.height_at(landed_at + interval '1 ms')
    UNION ALL
    SELECT DISTINCT unordered.signature, 'no order asked for it, and its wallet is a trader''s'
    FROM market.transactions AS unordered JOIN market.transactions AS ordered USING (wallet)
    WHERE unordered.order_id IS NULL AND ordered.order_id IS NOT NULL
    LIMIT :most
""")


def check_flows(connection: Connection, *, most: int) -> Iterator[LedgerViolation]:
    """Yield each place that holds something else than what was
    issued there and what transactions moved there.

    That all places together hold what was issued (``check_books``)
    is not enough: rows can be raised on both sides.
    """
    for statement in (_FLOWS, _SUPPLY, _TRANSACTIONS):
        parameters = {} if statement is _SUPPLY else {"most": most}
        for row in connection.execute(statement, parameters):
            yield LedgerViolation(row.subject, row.problem)


def check_books(connection: Connection) -> list[LedgerViolation]:
    """Return where the books do not balance.

    Per token, wallets, vaults and fee buckets together are what was issued. Each vault holds at least what
    its curve may still pay out; for a constant product, whose reserves are the vaults, exactly that.
    """
    row = connection.execute(_READ).one()
    found = [
        LedgerViolation(total["token"], f"{total['held']} units are held, {total['issued']} were issued")
        for total in row.totals or ()
        if total["held"] != total["issued"]
    ]
    vaults = {(pool_id, token): units for pool_id, token, units in row.vaults or ()}
    for pool in Snapshot().updated(row.pools or ()).pools.values():
        found += _vault_violations(pool, vaults)
    return found


def _vault_violations(pool: MarketPool, vaults: dict[tuple[str, str], Any]) -> list[LedgerViolation]:
    found = []
    for token, owed in zip(pool.tokens, pools.reserves(pool.state), strict=True):
        held = vaults.get((pool.pool_id, token), 0)
        if held < owed or (isinstance(pool.state, CpmmPool) and held != owed):
            found.append(
                LedgerViolation(
                    f"{pool.pool_id} {token}", f"the vault holds {held} units, the curve owes {owed}"
                )
            )
    return found
