"""How the simulated market behaves; its faults are in ``fault_injection.py``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """Latencies and the faucet.

    Attributes:
        quote_latency_ms: How long a venue takes to answer, give or take 30 %; 0 turns it off.
        settlement_latency_ms: From sending to landing, likewise; with 0 a sent transaction lands at once.
        is_faucet_on: Whether a wallet is given plenty of each token the first time it is used.
    """

    quote_latency_ms: int = 150
    settlement_latency_ms: int = 800
    is_faucet_on: bool = True
