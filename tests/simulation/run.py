"""One run: a seed in, the broken promises and the trace out."""

import re
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Final

from tests.simulation.audit import violations
from tests.simulation.clients import SimulatedClients
from tests.simulation.crowds import GATHERED_S, CrowdedClients
from tests.simulation.dice import Weather, draw_weather
from tests.simulation.nodes import draw_fleet
from tests.simulation.openings import draw_openings
from tests.simulation.prices import draw_path
from tests.simulation.resting_audit import resting_violations
from tests.simulation.resting_clients import RestingClients
from tests.simulation.scheduler import Scheduler
from tests.simulation.simulator import Sabotage, Simulator
from tests.simulation.world import World

SWEEP_S: Final = 60.0
REST_S: Final = 240.0
"""Calm for so long before a run may end: a visibility time-out, a lease and two sweeps fit in."""
TIME_LIMIT_S: Final = 1_200.0
"""Calm beyond which a run does not come to rest: of 1660 seeds, none took more than 640 s."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run."""

    seed: int
    weather: Weather
    violations: tuple[str, ...]
    lines: list[str]
    is_moving: bool = False
    is_on_nodes: bool = False
    is_crowded: bool = False

    @cached_property
    def trace(self) -> tuple[str, ...]:
        """The lines with short names of orders; made for the runs that are looked at."""
        return _named(self.lines)


def run(
    seed: int,
    sabotage: Sabotage | None = None,
    *,
    is_moving: bool = False,
    is_on_nodes: bool = False,
    is_crowded: bool = False,
) -> Outcome:
    """Simulate one world until it has come to rest, and audit it. The same seed gives the same trace.

    With every other seed the event source mappings take no partial batch responses.

    Args:
        is_moving: The price moves, and clients have orders that wait for it; else all are market orders.
        is_on_nodes: The chain is seen through nodes that are behind, forget, disagree and lie.
        is_crowded: Orders come several at a time, and consumers find their batches full; clients cancel all.
    """
    dice = Random(seed)
    weather = draw_weather(dice)
    scheduler = Scheduler()
    world = World(scheduler, dice, weather)
    path = draw_path(dice, weather.until_s) if is_moving else None
    new_pools = draw_openings(Random(seed), weather.until_s) if is_moving else ()
    fleet = draw_fleet(Random(seed)) if is_on_nodes else None
    simulator = Simulator(
        world,
        sabotage,
        takes_reports=seed % 2 == 0,
        path=path,
        new_pools=new_pools,
        fleet=fleet,
        gathered_s=GATHERED_S if is_crowded else 0.0,
    )
    kind = CrowdedClients if is_crowded else RestingClients if is_moving else SimulatedClients
    clients = kind(simulator)
    clients.schedule()
    for time_s in weather.kill_all_times:
        scheduler.at(time_s, simulator.kill_all)
    has_rested = _until_rest(scheduler, simulator, weather)
    problems = [
        *violations(simulator, clients.ledger),
        *resting_violations(simulator, clients.ledger.accepted),
        *clients.answers.violations(simulator.tables),
    ]
    if not has_rested:
        problems.append("the engine did not come to rest")
    _end(scheduler, simulator)
    return Outcome(seed, weather, _named(problems), world.trace, is_moving, is_on_nodes, is_crowded)


def _until_rest(scheduler: Scheduler, simulator: Simulator, weather: Weather) -> bool:
    calm_s = weather.until_s + REST_S
    while scheduler.now_s < weather.until_s + TIME_LIMIT_S:
        scheduler.run_until(scheduler.now_s + SWEEP_S)
        if scheduler.now_s >= calm_s and simulator.is_at_rest:
            return True
        simulator.sweep()
    return False


def _end(scheduler: Scheduler, simulator: Simulator) -> None:
    for group in list(simulator.running):
        scheduler.kill(group)
    scheduler.run_until(scheduler.now_s)


def _named(lines: list[str]) -> tuple[str, ...]:
    """Give orders short names: their ids are not all from the seed."""
    names: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"<order {len(names) + 1}>")

    return tuple(re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", name, line) for line in lines)
