"""The decimals of mints that are not listed, as the commands that opened their pools noted them."""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement

_ALL: Final = text("SELECT mint, scale FROM market.tokens")

# A mint is noted before its pool is there, and stays noted if that cannot be opened.
_DECIMALS: Final = Statement("""
    SELECT mint, scale FROM market.tokens
    WHERE mint = ANY(:mints) AND EXISTS (SELECT FROM market.pools WHERE mint IN (token_0, token_1))
""")


def mint_scales(connection: Connection) -> Mapping[str, int]:
    """Return the decimals of all mints that were ever noted."""
    return {row.mint: row.scale for row in connection.execute(_ALL)}


class MarketMints:
    """``Mints`` on the market in Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        with translated_errors():
            rows = self._database.execute(_DECIMALS, {"mints": sorted(mints)})
        return {row.mint: row.scale for row in rows}
