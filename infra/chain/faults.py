"""What goes wrong on purpose, per node.

By setting at the start, and by an administrator's call while it runs.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Faults:
    """How one node misbehaves. Shares are percentages of requests, or of transactions sent.

    Attributes:
        drop_percent: Transactions that are accepted and never run.
        delay_percent: Transactions that run only ``delay_blocks_min`` to ``delay_blocks_max`` blocks later.
        duplicate_percent: Transactions that are delivered a second time, a block later.
        lost_answer_percent: Requests that are carried out, and whose connection ends without an answer.
        rate_limit_percent: Requests that get HTTP 429 and are not carried out.
        retry_after_s: What such an answer says in ``Retry-After``; None leaves the header out.
        unavailable_percent: Requests that get HTTP 503 and are not carried out.
        garbage_percent: Requests that are carried out and get an answer that is no JSON.
        latency_ms: How long each answer takes.
        behind_blocks: How far the node's view lies behind the others'.
        behind_jitter_blocks: Up to so many more, differently for each request, as with a fleet behind one
            URL.
        unhealthy: The node knows that it is behind, and says so.
        hidden_status_percent: Requests for statuses in which a landed transaction is not found.
        misreport_percent: Requests for a transaction that show a fee a lamport too high.
        history_blocks: The node has forgotten statuses and transactions older than this; None keeps all.
        batch_max: Requests with more calls than this are refused, as some providers do; None takes all.
        methods: Which methods the faults of requests apply to; none named means all.
    """

    drop_percent: float = 0
    delay_percent: float = 0
    delay_blocks_min: int = 1
    delay_blocks_max: int = 10
    duplicate_percent: float = 0
    lost_answer_percent: float = 0
    rate_limit_percent: float = 0
    retry_after_s: float | None = 1
    unavailable_percent: float = 0
    garbage_percent: float = 0
    latency_ms: int = 0
    behind_blocks: int = 0
    behind_jitter_blocks: int = 0
    unhealthy: bool = False
    hidden_status_percent: float = 0
    misreport_percent: float = 0
    history_blocks: int | None = None
    batch_max: int | None = None
    methods: tuple[str, ...] = ()

    def changed(self, settings: Mapping[str, Any]) -> "Faults":
        """Return faults with some settings replaced.

        Raises:
            ValueError: A name is unknown, or a value of the wrong kind or out of its range.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        for name, value in settings.items():
            _check(name, value)
        values = {name: tuple(value) if name == "methods" else value for name, value in settings.items()}
        faults = Faults(**(asdict(self) | values))
        if faults.delay_blocks_min > faults.delay_blocks_max:
            raise ValueError("delay_blocks_min must not exceed delay_blocks_max")
        return faults

    def shown(self) -> dict[str, Any]:
        return asdict(self) | {"methods": list(self.methods)}

    def apply_to(self, method: str) -> bool:
        return not self.methods or method in self.methods


def happens(percent: float, chance: random.Random) -> bool:
    """Draw whether something that happens in so many of a hundred cases happens now."""
    return percent > 0 and chance.random() * 100 < percent


def _check(name: str, value: Any) -> None:
    if name.endswith("_percent"):
        if not (_is_number(value) and 0 <= value <= 100):
            raise ValueError(f"{name} must be a number from 0 to 100, not {value!r}")
    elif name == "methods":
        if not (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)):
            raise ValueError(f"methods must be a list of names, not {value!r}")
    elif name == "unhealthy":
        if not isinstance(value, bool):
            raise ValueError(f"unhealthy must be true or false, not {value!r}")
    elif name in _NULLABLE and value is None:
        return
    elif not (_is_number(value) and 0 <= value <= 1_000_000):
        raise ValueError(f"{name} must be a number from 0 to 1000000, not {value!r}")
    elif name != "retry_after_s" and not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, not {value!r}")


_NULLABLE: Final = frozenset({"retry_after_s", "history_blocks", "batch_max"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
