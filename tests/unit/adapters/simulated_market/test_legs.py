"""Legs as the ledger keeps them."""

import json
from dataclasses import asdict

from chalicelib.adapters.simulated_market.legs import fills, rows_of
from chalicelib.domain.transactions import LegFill

LEG = LegFill("pool", "raydium", "SOL", "USDC", 2**64, 5, 1, "SOL", "0.03")


def test_legs_come_back_as_they_were() -> None:
    assert fills(json.loads(json.dumps(rows_of([LEG])))) == (LEG,)


def test_legs_of_earlier_releases_are_read() -> None:
    assert fills([asdict(LEG)]) == (LEG,)
