"""What is aimed at, and whether a figure reaches it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for one figure.

    Attributes:
        is_least: The figure has to be at least the bound; else at most.
    """

    name: str
    bound: float
    unit: str
    is_least: bool = False

    def line(self, figure: float | None) -> str:
        """Return the goal, the figure and the verdict, for a table."""
        sign = ">=" if self.is_least else "<="
        goal = f"{sign} {self.bound:,g} {self.unit}".rstrip()
        if figure is None:
            return f"{self.name:<58}{goal:>18}{'-':>12}  not measured"
        is_met = figure >= self.bound if self.is_least else figure <= self.bound
        ratio = figure / self.bound
        verdict = "met" if is_met else f"missed: {ratio:.2f} of it"
        return f"{self.name:<58}{goal:>18}{figure:>12,.4g}  {verdict}"


RATE_10: Final = Goal("orders/s end to end, C = 10, one in flight", 430, "/s", is_least=True)
RATE_50: Final = Goal("orders/s end to end, C = 50, one in flight", 460, "/s", is_least=True)
RATE_10_KEYED: Final = Goal("the same with clientOrderId, C = 10", 430, "/s", is_least=True)
RATE_50_KEYED: Final = Goal("the same with clientOrderId, C = 50", 460, "/s", is_least=True)
CPU: Final = Goal("processor time per order, application + Postgres, C = 50", 2.2, "ms")
MEMORY: Final = Goal("resident memory of everything after it, shared pages once", 600, "MiB")
CONSUMER: Final = Goal("consumer alone, batches of ten, one core", 1_500, "/s", is_least=True)
ACCEPTED: Final = Goal("at rest, with clientOrderId, to `accepted`, p50", 1.6, "ms")
CONFIRMED: Final = Goal("at rest, with clientOrderId, to `confirmed`, p50", 7, "ms")
ROUND_TRIPS: Final = Goal("SQL round trips of the record, batch of ten", 8, "")
COMMITS: Final = Goal("commits of the record, batch of ten", 3, "")
COST: Final = Goal("USD per million orders, frame by frame", 6, "USD")
COST_BATCHED: Final = Goal("USD per million orders, ?batch=1, one order in flight", 3, "USD")
COST_TOGETHER: Final = Goal("USD per million orders, ?batch=1, ten orders at once", 3, "USD")
CALLS: Final = Goal("calls to Solana nodes beside sends, batch of ten", 3, "")
REQUESTS: Final = Goal("requests to Solana nodes beside sends, batch of ten", 3, "")
DEPTH: Final = Goal("rate at the greatest depth, of that at 100 orders", 0.9, "", is_least=True)
RESTING_P50: Final = Goal("a price fires 100 of a million orders, to `routing`, p50", 150, "ms")
RESTING_P99: Final = Goal("the same, p99", 1_000, "ms")
RESTING_TAKEN_IN: Final = Goal("rate of orders put to rest, of market orders'", 0.8, "", is_least=True)
RESTING_BESIDE: Final = Goal("market orders' rate while a million rest", 0.97, "", is_least=True)

GOALS: Final = (
    RATE_10,
    RATE_50,
    RATE_10_KEYED,
    RATE_50_KEYED,
    CPU,
    MEMORY,
    CONSUMER,
    ACCEPTED,
    CONFIRMED,
    ROUND_TRIPS,
    COMMITS,
    COST,
    COST_BATCHED,
    COST_TOGETHER,
    REQUESTS,
    CALLS,
    DEPTH,
    RESTING_P50,
    RESTING_P99,
    RESTING_TAKEN_IN,
    RESTING_BESIDE,
)
