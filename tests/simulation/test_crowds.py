"""Whole batches of new, repeated and canceled orders under every fault; and would the simulation notice?"""

from functools import cache

import pytest

from tests.simulation import sabotage
from tests.simulation.run import Outcome, run
from tests.simulation.simulator import Sabotage

SEEDS = 60


@cache
def outcome_of(seed: int) -> Outcome:
    return run(seed, is_crowded=True)


def test_every_promise_holds_at_rest_however_orders_come_together() -> None:
    for outcome in map(outcome_of, range(SEEDS)):
        assert not outcome.violations, (
            f"replay: python -m tests.simulation --crowded --seed {outcome.seed}\n"
            + "\n".join(outcome.violations)
        )


def test_cancels_of_all_are_answered_and_orders_in_the_queue_end_by_them_in_these_seeds() -> None:
    traces = ["\n".join(outcome_of(seed).trace) for seed in range(SEEDS)]
    for happened in (" canceled: ", "record.mark ->", "record.cancel_covered -> 1 of list"):
        assert sum(happened in trace for trace in traces) >= 3, happened


@pytest.mark.parametrize(
    ("defect", "consequence", "shown_by"),
    [
        (sabotage.marks_overlooked, "was sent after a cancel of all that covers it was answered", 2),
        (sabotage.all_created, "was executed 2 times", 3),
        (sabotage.refusals_forgotten, "was refused", 484),
    ],
)
def test_defect_among_many_orders_is_found_within_the_seeds_of_the_suite(
    defect: Sabotage, consequence: str, shown_by: int
) -> None:
    # The seed that showed it last comes first: with another simulation, it may be another of them.
    seeds = (shown_by, *range(SEEDS))
    problems = (problem for seed in seeds for problem in run(seed, defect, is_crowded=True).violations)

    assert any(consequence in problem for problem in problems)
