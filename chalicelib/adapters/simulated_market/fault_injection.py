"""Failures that can be turned on while the market runs: a JSON object in ``market.faults``."""

import random
import time
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors

NOTICED_WITHIN_S: Final = 1.0
"""A process may act on settings so old; it saves a query per call."""


@dataclass(frozen=True, slots=True)
class VenueFault:
    """What is wrong with one venue: it is down, errs for a share of calls, or answers late."""

    is_down: bool = False
    error_rate: float = 0.0
    extra_latency_ms: int = 0


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, with which probability.

    Attributes:
        drop_rate: Sends that vanish without a word.
        error_before_rate: Sends that fail, and did nothing.
        error_after_rate: Sends that are reported as failed, and take effect.
        extra_delay_ms: Added to ``SETTLEMENT_LATENCY_MS``.
        view_lag_ms: How far behind the answering node is, in height and statuses alike.
        seed: Makes each process draw the same sequence every time.
    """

    drop_rate: float = 0.0
    error_before_rate: float = 0.0
    error_after_rate: float = 0.0
    extra_delay_ms: int = 0
    view_lag_ms: int = 0
    seed: int | None = None
    venues: dict[str, VenueFault] | None = None

    def of_venue(self, name: str) -> VenueFault:
        """Return what is wrong with a venue, which may be nothing."""
        return (self.venues or {}).get(name, VenueFault())


_FAULTS: Final = TypeAdapter(Faults)
_READ: Final = text("SELECT settings FROM market.faults")
_WRITE: Final = text("UPDATE market.faults SET settings = CAST(:settings AS jsonb)")


class FaultBoard:
    """The faults in force, and the dice that decide whom they hit."""

    def __init__(self, engine: Engine, *, noticed_within_s: float = NOTICED_WITHIN_S) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._noticed_within_s = noticed_within_s
        self._faults = Faults()
        self._read_at: float | None = None
        self._dice = random.Random()  # noqa: S311  # faults and jitter, no secrets

    def current(self) -> Faults:
        """Return the faults in force.

        Raises:
            RetryableError: The database does not answer.
        """
        now = time.monotonic()
        if self._read_at is None or now - self._read_at >= self._noticed_within_s:
            with translated_errors(), self._engine.connect() as connection:
                faults = _FAULTS.validate_python(connection.execute(_READ).scalar_one())
            if faults.seed != self._faults.seed:
                self._dice.seed(faults.seed)
            self._faults, self._read_at = faults, now
        return self._faults

    def set(self, faults: Faults) -> None:
        """Put other faults in force, for every process."""
        with self._engine.connect() as connection:
            connection.execute(_WRITE, {"settings": _FAULTS.dump_json(faults).decode()})
        self._read_at = None

    def happens(self, rate: float) -> bool:
        """Throw the dice."""
        return rate > 0 and self._dice.random() < rate

    def jittered_s(self, latency_ms: int) -> float:
        """Return a latency in seconds, give or take 30 %."""
        return latency_ms * self._dice.uniform(0.7, 1.3) / 1000


class NoFaults(FaultBoard):
    """Of those who move the market and are not tried by it, whatever is in force for others."""

    def current(self) -> Faults:
        return Faults()
