"""Which files the processes of a run share out among them, and in which order.

pytest-xdist begins with the files of the most tests, so those few tests that take longest, each alone in its
file, come last, and one process runs them while the others are done. Here they come first, and files that use
one expensive fixture (a running instance, a browser) stay in one process, which makes it once.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

from xdist.scheduler import LoadFileScheduling

SHARED: Final = {
    "tests/browser": "the browser, and the instance that it looks at",
    "tests/conformance": "the probe under the whole runtime, and in MiniStack",
    "tests/e2e/test_bad_input.py": "the instance",
    "tests/e2e/test_batches.py": "the instance",
    "tests/e2e/test_beside.py": "the instance",
    "tests/e2e/test_client.py": "the instance",
    "tests/e2e/test_database_login.py": "the instance",
    "tests/e2e/test_one_import.py": "the instance",
    "tests/e2e/test_queue_commands.py": "the instance",
    "tests/e2e/test_rest.py": "the instance",
    "tests/e2e/test_resting.py": "the instance",
    "tests/e2e/test_several_orders.py": "the instance",
    "tests/e2e/test_subscribing.py": "the instance",
    "tests/e2e/test_ways_in.py": "the instance",
    "tests/e2e/test_wscat.py": "the instance",
    "tests/security/test_access.py": "the secured app",
    "tests/security/test_fuzz.py": "the secured app",
    "tests/security/test_limits_over_the_wire.py": "the secured app",
    "tests/security/test_ownership.py": "the secured app",
    "tests/security/test_postman.py": "the secured app",
    "tests/security/test_rest_fuzz.py": "the secured app",
    "tests/security/test_specs.py": "the secured app",
    "tests/security/test_captured_admissions.py": "the database that has been traded on",
    "tests/security/test_captured_function.py": "the database that has been traded on",
    "tests/security/test_captured_rights.py": "the database that has been traded on",
}
"""Folder or file: which fixture it shares with others of the same words."""

SLOWEST_FIRST: Final = (
    "tests/deploy/test_chalice_deploy.py",
    "tests/security/test_rest_fuzz.py",
    "tests/browser",
    "tests/deploy/test_rights.py",
    "tests/chaos",
    "tests/e2e",
    "tests/chat_app",
    "tests/deploy",
    "tests/strangers",
    "tests/security",
    "tests/conformance",
    "tests/simulation",
    "tests/integration",
    "tests/soak",
)
"""Folders and files; what is not named comes after them."""


@cache
def part_of(file: str) -> str:
    """Return what has to run in one process: a file, or the files that share a fixture with it."""
    return next((SHARED[place] for place in _places(file) if place in SHARED), file)


def planned(files: Iterable[str]) -> list[str]:
    """Return the parts of a run in the order in which they are to be begun."""
    return list(dict.fromkeys(part_of(file) for file in sorted(dict.fromkeys(files), key=_rank)))


class WorkPlan(LoadFileScheduling):  # type: ignore[misc]  # xdist publishes no types of its schedulers
    """Gives each process a part at a time."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid.partition("::")[0])


def _rank(file: str) -> int:
    ranks = [SLOWEST_FIRST.index(place) for place in _places(file) if place in SLOWEST_FIRST]
    return min(ranks, default=len(SLOWEST_FIRST))


def _places(file: str) -> list[str]:
    """Return the file and the folders that it lies in."""
    path = PurePosixPath(file)
    return [str(place) for place in (path, *path.parents)]
