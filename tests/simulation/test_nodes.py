"""Exactly once on a chain that is seen through nodes: behind, at odds, pruned, silent, and one that lies."""

import pytest

from tests.simulation import node_sabotage
from tests.simulation.run import run
from tests.simulation.simulator import Sabotage

SEEDS = 120


def test_every_promise_holds_at_rest_whatever_the_nodes_said() -> None:
    for outcome in (run(seed, is_on_nodes=True) for seed in range(SEEDS)):
        assert not outcome.violations, (
            f"replay: python -m tests.simulation --nodes --seed {outcome.seed}\n"
            + "\n".join(outcome.violations)
        )


@pytest.mark.parametrize(
    ("defect", "consequence"),
    [
        (node_sabotage.missing_status_believed, "is dead on record and landed"),
        (node_sabotage.one_look_believed, "is dead on record and landed"),
        (node_sabotage.one_witness_believed, "is confirmed, and 0 of its transactions landed"),
    ],
)
def test_belief_in_what_proves_nothing_is_found_within_the_seeds_of_the_suite(
    defect: Sabotage, consequence: str
) -> None:
    problems = (
        problem for seed in range(SEEDS) for problem in run(seed, defect, is_on_nodes=True).violations
    )

    assert any(consequence in problem for problem in problems)
