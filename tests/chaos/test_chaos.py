"""A short run of the chaos harness; ``make chaos`` runs longer ones."""

import asyncio
import gc
from pathlib import Path

import pytest

from tests.chaos.run import Chaos, Plan
from tests.support.instance import queues_with

SHORT_TIMES = {"LEASE_MS": "6000", "QUOTE_LATENCY_MS": "20", "SETTLEMENT_LATENCY_MS": "300"}
VISIBILITY_S = 12


# pg8000 leaves a socket to the garbage collector where a killed server ends a connection's first exchange.
@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
def test_every_accepted_order_ends_once_although_everything_is_killed(tmp_path: Path) -> None:
    """Messages of a killed consumer come back sooner than in production:
    the wait for them is all that is cut.
    """
    queues = queues_with(tmp_path / "queues.json", visibility_s=VISIBILITY_S)
    said: list[str] = []
    plan = Plan(
        seed=1,
        load_s=6,
        restarts=1,
        rested_min=1,
        move_interval_s=0.7,
        unclaimed_for_ms=3_000,
        environment=SHORT_TIMES,
        options=("--queues", str(queues)),
    )

    result = asyncio.run(Chaos(plan, tmp_path / "state", said.append).run())
    gc.collect()  # here, and not in whichever test comes next

    assert not result.problems, "\n".join([*said, *result.problems])
    assert result.orders > 0
    assert result.rested > 0
