"""Opening wallets, with or without a faucet."""

import json
from collections.abc import Collection
from typing import Final

from sqlalchemy import Engine, text

from chalicelib.domain.tokens import Tokens

FAUCET_ORDERS: Final = 1_000
"""A new wallet can afford so many of the largest orders, in each token."""

# What the faucet gives is issued in the same statement, so the books balance at every moment.
_OPEN: Final = text("""
    WITH opened AS (
        INSERT INTO market.wallets (address, token, balance)
        SELECT item ->> 0, item ->> 1, (item ->> 2)::numeric
        FROM jsonb_array_elements(CAST(:wallets AS jsonb)) AS item
        ON CONFLICT DO NOTHING RETURNING token, balance
    )
    INSERT INTO market.supply AS old (token, issued)
    SELECT token, sum(balance) FROM opened GROUP BY token ORDER BY token
    ON CONFLICT (token) DO UPDATE SET issued = old.issued + excluded.issued
""")


class Purse:
    """Opens the wallets of addresses that the ledger does not know yet."""

    def __init__(self, engine: Engine, tokens: Tokens, *, is_faucet_on: bool) -> None:
        self._engine = engine
        self._funds = {
            token.symbol: token.max_order_units * FAUCET_ORDERS if is_faucet_on else 0 for token in tokens
        }

    @property
    def tokens(self) -> Collection[str]:
        """The tokens that a wallet can hold."""
        return self._funds.keys()

    def open_wallets(self, addresses: Collection[str]) -> None:
        """Open a balance in each token for each address; one that exists already is left as it is."""
        wallets = [
            (address, token, units) for address in sorted(addresses) for token, units in self._funds.items()
        ]
        with self._engine.begin() as connection:
            connection.execute(_OPEN, {"wallets": json.dumps(wallets)})
