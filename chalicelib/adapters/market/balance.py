"""The market's books must balance, to the last unit, at every moment."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from chalicelib.adapters.market.pool_cache import Snapshot
from chalicelib.adapters.market.pool_rows import MarketPool
from chalicelib.amm import pools
from chalicelib.amm.raydium_cpmm import CpmmPool

# One statement, so one moment: trades may go on meanwhile.
_READ: Final = text("""
    SELECT
        (SELECT jsonb_agg(to_jsonb(total)) FROM (
            SELECT token, sum(held) AS held, sum(issued) AS issued FROM (
                SELECT token, balance AS held, 0 AS issued FROM market.wallets
                UNION ALL
                SELECT token, tradable + lp_fees + protocol_fees + fund_fees + creator_fees, 0 FROM market.vaults
                UNION ALL
                SELECT token, 0, issued FROM market.supply
            ) AS part GROUP BY token ORDER BY token
        ) AS total) AS totals,
        (SELECT jsonb_agg(jsonb_build_array(pool_id, token, tradable)) FROM market.vaults) AS vaults,
        (SELECT jsonb_agg(to_jsonb(pool)) FROM market.changed_pools('{}', -1) AS pool) AS pools
""")


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the books say and that cannot be; ``subject`` is a token or a vault."""

    subject: str
    problem: str


def check_books(connection: Connection) -> list[Violation]:
    """Return where the books do not balance.

    Per token, wallets, vaults and fee buckets together are what was issued. Each vault holds at least what
    its curve may still pay out; for a constant product, whose reserves are the vaults, exactly that.
    """
    row = connection.execute(_READ).one()
    found = [
        Violation(total["token"], f"{total['held']} units are held, {total['issued']} were issued")
        for total in row.totals or ()
        if total["held"] != total["issued"]
    ]
    vaults = {(pool_id, token): units for pool_id, token, units in row.vaults or ()}
    for pool in Snapshot().updated(row.pools or ()).pools.values():
        found += _vault_violations(pool, vaults)
    return found


def _vault_violations(pool: MarketPool, vaults: dict[tuple[str, str], Any]) -> list[Violation]:
    found = []
    for token, owed in zip(pool.tokens, pools.reserves(pool.state), strict=True):
        held = vaults.get((pool.pool_id, token), 0)
        if held < owed or (isinstance(pool.state, CpmmPool) and held != owed):
            found.append(
                Violation(f"{pool.pool_id} {token}", f"the vault holds {held} units, the curve owes {owed}")
            )
    return found
