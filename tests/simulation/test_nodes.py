"""Exactly once on a chain that is seen through nodes: behind, at odds, pruned, silent, and one that lies."""

from collections.abc import Callable
from itertools import count, islice
from random import Random

import pytest

from tests.simulation import node_sabotage
from tests.simulation.nodes import NodeHabits, draw_fleet
from tests.simulation.run import run
from tests.simulation.simulator import Sabotage

SEEDS = 120


def test_every_promise_holds_at_rest_whatever_the_nodes_said() -> None:
    for outcome in (run(seed, is_on_nodes=True) for seed in range(SEEDS)):
        assert not outcome.violations, (
            f"replay: python -m tests.simulation --nodes --seed {outcome.seed}\n"
            + "\n".join(outcome.violations)
        )


def test_same_seed_gives_same_trace_on_nodes() -> None:
    liars = (seed for seed in count() if any(map(lies, draw_fleet(Random(seed)).habits)))
    for seed in islice(liars, 10):
        assert run(seed, is_on_nodes=True).trace == run(seed, is_on_nodes=True).trace


def forgets(node: NodeHabits) -> bool:
    return (node.keeps_blocks or 1_000) <= 60


def lies(node: NodeHabits) -> bool:
    return node.is_lying


def misreports(node: NodeHabits) -> bool:
    return node.is_misreporting


@pytest.mark.parametrize(
    ("defect", "among", "consequence"),
    [
        (node_sabotage.missing_status_believed, forgets, "is dead on record and"),
        (node_sabotage.one_look_believed, lies, "is dead on record and landed"),
        (node_sabotage.one_witness_believed, lies, "is confirmed, and 0 of its transactions landed"),
        (node_sabotage.one_witness_believed, misreports, "has other amounts on record than on the ledger"),
    ],
)
def test_belief_in_what_proves_nothing_is_found_within_some_seeds_that_have_such_a_node(
    defect: Sabotage, among: Callable[[NodeHabits], bool], consequence: str
) -> None:
    seeds = (seed for seed in count() if any(map(among, draw_fleet(Random(seed)).habits)))
    problems = (
        problem for seed in islice(seeds, SEEDS) for problem in run(seed, defect, is_on_nodes=True).violations
    )

    assert any(consequence in problem for problem in problems)
