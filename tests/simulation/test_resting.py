"""Orders that wait, under every fault at once while the price moves; and would the simulation notice?"""

from functools import cache

import pytest

from tests.simulation import poison
from tests.simulation import resting_sabotage as sabotage
from tests.simulation.run import Outcome, run
from tests.simulation.simulator import Sabotage

SEEDS = 100
"""All planted defects but one, which is looked for elsewhere, show by the twenty-first."""
PER_TEST = 50
POISONED_SEEDS = 21
"""In the last of them a dead letter puts an order to rest, and cannot tell that."""


@cache
def outcome_of(seed: int) -> Outcome:
    return run(seed, is_moving=True)


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_every_promise_of_orders_that_wait_holds_at_rest_whatever_went_wrong(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        outcome = outcome_of(seed)
        assert not outcome.violations, (
            f"replay: python -m tests.simulation --moving --seed {seed}\n" + "\n".join(outcome.violations)
        )


def test_every_promise_of_orders_that_wait_holds_while_some_cannot_be_told() -> None:
    for seed in range(POISONED_SEEDS):
        outcome = run(seed, poison.in_telling, is_moving=True)
        assert not outcome.violations, f"seed {seed}\n" + "\n".join(outcome.violations)


def test_orders_fire_are_refused_at_their_bound_amended_and_executed_in_these_seeds() -> None:
    traces = ["\n".join(outcome_of(seed).trace) for seed in range(60)]

    for happened in (
        "record.fire -> 1 of list",
        "refused: attempt",
        "landed: attempt 1",
        "record.amend -> 2",
        "venue.openings ->",
        "venue.mints -> 1",
        "record.cancel_some ->",
    ):
        assert sum(happened in trace for trace in traces) >= 3, happened


def test_same_seed_gives_same_trace_while_the_price_moves() -> None:
    for seed in range(3):
        assert run(seed, is_moving=True).trace == outcome_of(seed).trace


@pytest.mark.parametrize(
    ("defect", "consequence", "shown_by"),
    [
        (sabotage.fire_before_commit, "was sent as fired before that was on record", 1),
        (sabotage.disarm_without_message, "is open and nothing is armed for it", 7),
        (sabotage.bound_on_quote_alone, "was executed past its limit", 20),
        (sabotage.expiry_not_looked_at, "is open after its end", 7),
        (sabotage.old_pools_count, "which is not what it waited for", 6),
        (sabotage.decimals_of_another_mint, "was told inputAmount as", 0),
        (sabotage.decimals_forgotten, "bought a mint of other decimals than it says", 232),
        (sabotage.canceled_and_still_watched, "is canceled and is still watched for", 2),
        (sabotage.amended_and_not_watched_anew, "was watched for at another rate than it waits for", 13),
        (sabotage.ended_early, "before its end", 0),
        (sabotage.amended_as_it_was_found, "after another event than the one that was named", 2),
        (sabotage.canceled_by_word_alone, "was said to be canceled, and is", 2),
    ],
)
def test_defect_of_waiting_is_found_within_the_seeds_of_the_suite(
    defect: Sabotage, consequence: str, shown_by: int
) -> None:
    # A new mint's decimals matter in one run of sixty, and in none of the first ones.
    searched = range(SEEDS, 3 * SEEDS) if defect is sabotage.decimals_forgotten else range(SEEDS)
    # The seed that showed it last comes first: with another simulation, it may be another of them.
    seeds = (shown_by, *searched)
    problems = (problem for seed in seeds for problem in run(seed, defect, is_moving=True).violations)

    assert any(consequence in problem for problem in problems)
