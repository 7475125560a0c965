"""What a project that is ready is told to be reached by."""

from pathlib import Path

import pytest

from chalice_offline.assembly import ApiStages
from chalice_offline.banner import banner
from chalice_offline.invocation import AppManifest
from chalice_offline.options import Options
from chalice_offline.project.functions import FunctionSpec, Project, ScheduleTrigger

NO_API = "no API; functions, for chalice-offline invoke: "
SCHEDULES = "schedules, for chalice-offline tick: "


def lines(*functions: str, schedules: tuple[str, ...] = ()) -> list[str]:
    """Return the banner of an app that has no API, without what every app's has."""
    project = Project(
        manifest=AppManifest("app"),
        functions={
            name: FunctionSpec(name, f"app.{name}", timeout_s=60, memory_mb=128, environment={})
            for name in (*functions, *schedules)
        },
        queues=(),
        schedules=tuple(ScheduleTrigger(name, "rate(1 hour)") for name in schedules),
        notices=(),
        streams=(),
        unsupported=(),
        python="3.11",
    )
    here = Path()
    options = Options(here, "127.0.0.1", 8000, here, "dev", None, None, None, None, reloads=True)
    stages = ApiStages("api", "api")
    return list(
        banner(project, options, stages, base_path=None, pages={}, endpoint="", credentials=None, queues=())
    )


@pytest.mark.parametrize(
    ("functions", "schedules", "told"),
    [
        (("add", "take"), (), [f"{NO_API}add, take"]),
        (("add",), ("hourly", "nightly"), [f"{NO_API}add", f"{SCHEDULES}hourly, nightly"]),
        ((), ("hourly",), [f"{NO_API}none", f"{SCHEDULES}hourly"]),
        ((), (), [f"{NO_API}none"]),
    ],
)
def test_app_without_an_api_has_functions_and_schedules_named_by_the_commands_for_them(
    functions: tuple[str, ...], schedules: tuple[str, ...], told: list[str]
) -> None:
    assert lines(*functions, schedules=schedules) == told
