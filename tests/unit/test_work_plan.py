"""The plan of a run names the tests that share something expensive: each process with one makes it anew."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.work_plan import SHARED, SLOWEST_FIRST, part_of

ROOT = Path(__file__).parents[2]


def test_tests_that_share_a_packages_fixture_are_given_to_one_process(request: pytest.FixtureRequest) -> None:
    """Of the tests that run with this one: of all in ``make test``."""
    parts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in request.session.items:
        assert isinstance(item, pytest.Function)
        part = part_of(item.nodeid.partition("::")[0])
        for name, fixtures in item._fixtureinfo.name2fixturedefs.items():
            if fixtures[-1].scope == "package":
                parts[fixtures[-1].baseid, name].add(part)
    assert {fixture: found for fixture, found in parts.items() if len(found) > 1} == {}


@pytest.mark.parametrize("place", [*SHARED, *SLOWEST_FIRST])
def test_place_in_the_plan_is_there(place: str) -> None:
    assert (ROOT / place).exists()
