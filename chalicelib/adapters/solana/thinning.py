"""Leaving out the least of a plan's legs, for a plan that is too long for one transaction.

What the leg had goes to the largest one beside it: the order's amount stays what it is, the price gets a
little worse, and the order's threshold decides whether that is still good enough.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import InstructedLeg, InstructedPath, SwapInstruction

Hop = tuple[InstructedLeg, ...]


def thinner(instruction: SwapInstruction) -> SwapInstruction | None:
    """Return the same order with a leg or a path fewer; None if there is but one leg per hop of one path."""
    end = 0 if instruction.swap_mode is SwapMode.EXACT_IN else -1
    paths = instruction.paths
    amounts = [_total(path.hops[end]) for path in paths]
    whole = sum(amounts)
    # The weight of what would be left out, then where it is.
    candidates: list[tuple[Fraction, int, int]] = []
    for place, path in enumerate(paths):
        share = Fraction(amounts[place], whole)
        if len(paths) > 1:
            candidates.append((share, place, -1))
        for number, hop in enumerate(path.hops):
            if len(hop) > 1:
                least = min(leg.planned_units for leg in hop)
                candidates.append((share * Fraction(least, _total(hop)), place, number))
    if not candidates:
        return None
    _, place, number = min(candidates)
    if number >= 0:
        hops = paths[place].hops
        changed = replace(paths[place], hops=(*hops[:number], _merged(hops[number]), *hops[number + 1 :]))
        return replace(instruction, paths=(*paths[:place], changed, *paths[place + 1 :]))
    others = [*paths[:place], *paths[place + 1 :]]
    left = [*amounts[:place], *amounts[place + 1 :]]
    largest = left.index(max(left))
    others[largest] = _with_more(others[largest], end, amounts[place])
    return replace(instruction, paths=tuple(others))


def _merged(hop: Hop) -> Hop:
    """Give the least leg's part to the largest one."""
    least = min(range(len(hop)), key=lambda index: hop[index].planned_units)
    rest = (*hop[:least], *hop[least + 1 :])
    return _with_units(rest, hop[least].planned_units)


def _with_more(path: InstructedPath, end: int, units: int) -> InstructedPath:
    """Let a path move more: its other hops share whatever comes in proportion to their plan."""
    hops = list(path.hops)
    hops[end] = _with_units(hops[end], units)
    return replace(path, hops=tuple(hops))


def _with_units(hop: Hop, units: int) -> Hop:
    largest = max(range(len(hop)), key=lambda index: hop[index].planned_units)
    return tuple(
        replace(leg, planned_units=leg.planned_units + units) if index == largest else leg
        for index, leg in enumerate(hop)
    )


def _total(hop: Sequence[InstructedLeg]) -> int:
    return sum(leg.planned_units for leg in hop)
