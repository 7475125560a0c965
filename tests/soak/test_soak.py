"""A day's worth of hints and hardly any work: more fruitless ones than a float has powers of two."""

import shutil
from pathlib import Path

from tests.soak.plan import Plan
from tests.soak.run import soak

HOUR_S = 3_600


def test_runtime_that_idles_for_hours_neither_fails_nor_grows(tmp_path: Path) -> None:
    app_dir = tmp_path / "app"
    shutil.copytree(Path(__file__).parent / "app", app_dir, ignore=shutil.ignore_patterns("__pycache__"))
    plan = Plan(app_dir, simulated_s=4 * HOUR_S, time_limit_s=600, has_orders=False, ping_s=12.0)
    # The state directory where it is by default: in the project, which is watched for changes.
    report = soak(plan, app_dir / ".orderflow", lambda _text: None)
    assert report.problems == []
    assert report.reloads == 0
    assert report.simulated_s >= 4 * HOUR_S
    # Each of these ends in a hint to look at the queue.
    assert report.invocations > 1_300
    # The gateway ends a connection after two hours.
    assert report.done.connections >= 2
