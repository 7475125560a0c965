from itertools import permutations

from chalicelib.adapters.solana.thinning import thinner
from chalicelib.amm.swaps import Exact
from tests.unit.adapters.solana.books import an_instruction

DIRECT = (("A", "C"), [[("d", 30)]])


def amounts(instruction: object) -> list[list[dict[str, int]]]:
    return [
        [{leg.pool_id: leg.planned_units for leg in hop} for hop in path.hops]
        for path in instruction.paths  # type: ignore[attr-defined]
    ]


def test_least_leg_goes_and_the_largest_beside_it_gets_its_part() -> None:
    asked = an_instruction(
        (("A", "B", "C"), [[("x", 60), ("y", 40)], [("u", 5), ("v", 1), ("w", 4)]]), threshold=1
    )
    once = thinner(asked)
    assert once is not None
    assert amounts(once) == [[{"x": 60, "y": 40}, {"u": 6, "w": 4}]]
    twice = thinner(once)
    assert twice is not None
    thrice = thinner(twice)
    assert thrice is not None
    assert amounts(thrice) == [[{"x": 100}, {"u": 10}]]
    assert thinner(thrice) is None


def test_least_path_goes_and_its_amount_with_the_largest() -> None:
    small = (("A", "B", "C"), [[("x", 3)], [("u", 7)]])
    for mode, expected in ((Exact.IN, [[{"d": 33}]]), (Exact.OUT, [[{"d": 37}]])):
        once = thinner(an_instruction(DIRECT, small, mode=mode, threshold=1))
        assert once is not None
        assert amounts(once) == expected
    large = (("A", "B", "C"), [[("x", 60)], [("u", 7)]])
    once = thinner(an_instruction(DIRECT, large, threshold=1))
    assert once is not None
    assert amounts(once) == [[{"x": 90}, {"u": 7}]]


def test_amount_of_the_order_stays_what_it_is() -> None:
    asked = an_instruction(
        DIRECT, (("A", "B", "C"), [[("x", 11), ("y", 9)], [("u", 5), ("v", 6)]]), threshold=1
    )
    while asked is not None:
        assert sum(leg.planned_units for path in asked.paths for leg in path.hops[0]) == 50
        asked = thinner(asked)  # type: ignore[assignment]


def test_share_of_a_leg_is_of_its_path_and_the_least_of_all_goes_first() -> None:
    paths = [
        (("A", "B", "C"), [[("x", 60)], [("u", 40), ("v", 20)]]),
        (("A", "D", "C"), [[("y", 10)], [("w", 9), ("z", 1)]]),
        (("A", "C"), [[("d", 30)]]),
    ]
    seen, asked = [], thinner(an_instruction(*paths, threshold=1))
    while asked is not None:
        seen.append(amounts(asked))
        asked = thinner(asked)
    assert seen == [
        [[{"x": 60}, {"u": 40, "v": 20}], [{"y": 10}, {"w": 10}], [{"d": 30}]],
        [[{"x": 70}, {"u": 40, "v": 20}], [{"d": 30}]],
        [[{"x": 70}, {"u": 60}], [{"d": 30}]],
        [[{"x": 100}, {"u": 60}]],
    ]


def test_amount_of_a_path_that_goes_is_the_largest_ones_wherever_the_two_stand() -> None:
    by_size = [(("A", "C"), [[(pool_id, units)]]) for pool_id, units in (("s", 1), ("m", 5), ("l", 9))]
    for order in permutations(by_size):
        asked = thinner(an_instruction(*order, threshold=1))
        assert asked is not None
        left = {leg.pool_id: leg.planned_units for path in asked.paths for leg in path.hops[0]}
        assert left == {"m": 5, "l": 10}
