"""A day's worth of hints and hardly any work: more fruitless ones than a float has powers of two."""

from pathlib import Path

from tests.soak.plan import Plan
from tests.soak.run import soak

HOUR_S = 3_600


def test_runtime_that_idles_for_hours_neither_fails_nor_grows(tmp_path: Path) -> None:
    app_dir = Path(__file__).parent / "app"
    plan = Plan(app_dir, simulated_s=4 * HOUR_S, patience_s=100, has_orders=False, ping_s=12.0)
    report = soak(plan, tmp_path / "state", lambda _text: None)
    assert report.problems == []
    assert report.simulated_s >= 4 * HOUR_S
    # Each of these ends in a hint to look at the queue.
    assert report.invocations > 1_300
    # The gateway ends a connection after two hours.
    assert report.done.connections >= 2
