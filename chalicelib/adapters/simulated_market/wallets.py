"""Opening wallets, with or without a faucet."""

import json
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.domain.tokens import Tokens, is_mint

FAUCET_ORDERS: Final = 1_000
"""A new wallet can afford so many of the largest orders, in each token."""

# What the faucet gives is listed and issued in the same statement, so the books balance at every
# moment. It runs with the owner's rights, since the functions have none to issue anything, and
# gives what ``set_faucet`` wrote down.
_OPEN: Final = text("""
    SELECT market.open_wallets(CAST(:addresses AS jsonb), CAST(:tokens AS jsonb), CAST(:is_funded AS boolean))
""")

_FAUCET: Final = text("""
    INSERT INTO market.faucet (token, units)
    SELECT item ->> 0, (item ->> 1)::numeric FROM jsonb_array_elements(CAST(:funds AS jsonb)) AS item
    ON CONFLICT (token) DO UPDATE SET units = excluded.units WHERE faucet.units <> excluded.units
""")


def set_faucet(connection: Connection, tokens: Tokens) -> None:
    """Write down what a new wallet is given of each token; by the owner, since the functions may not."""
    funds = [(token.symbol, token.max_order_units * FAUCET_ORDERS) for token in tokens]
    connection.execute(_FAUCET, {"funds": json.dumps(funds)})


class Faucet:
    """Opens the wallets of addresses that the ledger does not know yet."""

    def __init__(self, engine: Engine, tokens: Tokens, *, is_faucet_on: bool) -> None:
        self._engine = engine
        self._is_faucet_on = is_faucet_on
        self._tokens: Collection[str] = frozenset(token.symbol for token in tokens)

    def can_hold(self, token: str) -> bool:
        """Return whether a wallet can hold a token.

        One that is listed, or a mint that pools were opened for.
        """
        return token in self._tokens or is_mint(token)

    def open_wallets(self, addresses: Collection[str], tokens: Collection[str]) -> None:
        """Open a balance in each listed token, and in some that are not, for each address.

        One that exists already is left as it is.
        """
        asked = {
            "addresses": json.dumps(sorted(addresses)),
            "tokens": json.dumps(sorted({*self._tokens, *tokens})),
            "is_funded": self._is_faucet_on,
        }
        with self._engine.begin() as connection:
            connection.execute(_OPEN, asked)
