"""What goes wrong in one run, drawn from its seed: how often, where, and when all of it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, slots=True)
class Outage:
    """A part of the world that does not answer at all for a while."""

    part: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Weather:
    """The faults of one run, as rates per call, per send or per message.

    Attributes:
        before: A call fails and has done nothing.
        after: A call fails and has taken effect.
        hang: A call takes up to its time limit, and then fails, effect or not.
        crash: The process dies just before or just after a call takes effect.
        slow_ms: Calls take up to this long.
        drop: A send to the chain vanishes.
        land_blocks_max: A transaction takes up to so many blocks to land.
        land_last: A transaction lands in the very last blocks that it can land in.
        view_lag_blocks_max: Nodes are up to so many blocks behind.
        refuse: A transaction that lands is refused by the chain's rules.
        duplicate: A message is delivered although it is held or deleted.
        receives_max: Deliveries after which a message is a dead letter.
        frame_trouble: A connection does not take a frame, or takes it and no answer says so.
        kill_all_times: Moments at which every process ends, connections included.
        until_s: From then on nothing fails any more.
    """

    before: float
    after: float
    hang: float
    crash: float
    slow_ms: float
    drop: float
    land_blocks_max: int
    land_last: float
    view_lag_blocks_max: int
    refuse: float
    duplicate: float
    receives_max: int
    frame_trouble: float
    outages: tuple[Outage, ...]
    kill_all_times: tuple[float, ...]
    until_s: float

    def is_out(self, part: str, now_s: float) -> bool:
        return any(each.part == part and each.from_s <= now_s < each.to_s for each in self.outages)


CALM = Weather(
    before=0,
    after=0,
    hang=0,
    crash=0,
    slow_ms=1,
    drop=0,
    land_blocks_max=2,
    land_last=0,
    view_lag_blocks_max=0,
    refuse=0,
    duplicate=0,
    receives_max=10,
    frame_trouble=0,
    outages=(),
    kill_all_times=(),
    until_s=0,
)
"""Nothing goes wrong."""

PARTS = ("record", "queue", "chain", "venue", "gateway")


def draw_weather(dice: Random) -> Weather:
    """Return anything from a calm day to a storm; single faults alone are as likely as all together."""
    weather = _anything(dice, dice.choice([20.0, 90.0, 180.0]))
    return _last_moments(dice, weather) if dice.random() < 0.2 else weather


def _last_moments(dice: Random, weather: Weather) -> Weather:
    """Return what tempts an engine to give a transaction up too early: it lands late, and nodes lag."""
    return replace(
        weather,
        before=weather.before / 10,
        crash=weather.crash / 10,
        slow_ms=1.0,
        drop=dice.choice([0.0, 0.3]),
        land_last=1.0,
        view_lag_blocks_max=dice.choice([3, 3, 40]),
        receives_max=10,
        outages=(),
        until_s=180.0,
    )


def _anything(dice: Random, until_s: float) -> Weather:

    def rate(highest: float) -> float:
        return dice.choice([0.0, 0.0, highest * 0.1, highest * 0.4, highest])

    return Weather(
        before=rate(0.25),
        after=rate(0.25),
        hang=rate(0.05),
        crash=rate(0.08),
        slow_ms=dice.choice([1.0, 20.0, 300.0]),
        drop=dice.choice([0.0, 0.3, 0.6, 0.9]),
        land_blocks_max=dice.choice([1, 5, 60, 149]),
        land_last=dice.choice([0.0, 1.0]),
        view_lag_blocks_max=dice.choice([0, 2, 3, 3, 40]),
        refuse=dice.choice([0.0, 0.0, 0.3]),
        duplicate=rate(0.3),
        receives_max=dice.choice([2, 10, 10]),
        frame_trouble=rate(0.3),
        outages=tuple(_outages(dice, until_s)),
        kill_all_times=tuple(dice.uniform(0, until_s) for _ in range(dice.choice([0, 0, 0, 1, 2]))),
        until_s=until_s,
    )


def _outages(dice: Random, until_s: float) -> Sequence[Outage]:
    outages = []
    for _ in range(dice.choice([0, 0, 1, 2])):
        from_s = dice.uniform(0, until_s)
        outages.append(Outage(dice.choice(PARTS), from_s, from_s + dice.choice([1.0, 10.0, 60.0])))
    return outages
