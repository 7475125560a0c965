"""What to soak, and what was done."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What to soak: for so long on the runtime's clock, within so long on ours.

    Attributes:
        has_orders: Whether the app takes our orders.
    """

    app_dir: Path
    simulated_s: float
    time_limit_s: float
    has_orders: bool
    ping_s: float = 60.0


@dataclass
class Done:
    pings: int = 0
    orders: int = 0
    connections: int = 0
