"""What a batch of ten orders asks of Postgres, counted on the wire: ``python -m benchmarks.round_trips``."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from sqlalchemy import event

from benchmarks.consumer import ConsumerServices, consume, environment_for, prepared_batches
from benchmarks.environment import take_no_options
from benchmarks.instance import running_instance
from chalicelib.config import Settings
from chalicelib.logs import logger

ROUND_TRIPS_MAX: Final = 8
COMMITS_MAX: Final = 3

_WRITES: Final = ("INSERT", "UPDATE", "DELETE")
_OF_THE_MARKET: Final = "market."
"""Of the venues and the chain that it stands in for; it has a schema of its own."""


class Wire:
    """Counts what pg8000 sends and waits for, on connections made while it listens."""

    def __init__(self) -> None:
        self.round_trips = Counter[str]()
        self.commits = Counter[str]()

    def reset(self) -> None:
        self.round_trips.clear()
        self.commits.clear()

    def connected(self, connection: Any, _record: object) -> None:
        """Count a connection's exchanges: prepared statements, and single words such as COMMIT."""
        connection.execute_alone = self._counted(connection.execute_alone, driver=connection)
        connection.execute_simple = self._counted(connection.execute_simple, driver=connection)
        execute_together = connection.execute_together

        def together(operations: Any, *, commits: bool, then: Any = None) -> Any:
            side = self._side("; ".join(operation for operation, _ in operations))
            self.round_trips[side] += 1
            self.commits[side] += commits
            return execute_together(operations, commits=commits, then=then)

        connection.execute_together = together

    def _counted(self, exchange: Callable[..., Any], *, driver: Any) -> Callable[..., Any]:
        def counting(statement: str, *values: Any) -> Any:
            side = self._side(statement)
            self.round_trips[side] += 1
            is_single_write = driver.autocommit and any(verb in statement for verb in _WRITES)
            if is_single_write or statement == "commit":
                self.commits[side] += 1
            return exchange(statement, *values)

        return counting

    @staticmethod
    def _side(statement: str) -> str:
        return "market" if _OF_THE_MARKET in statement else "record"


def count(use: ConsumerServices) -> Wire:
    """Return what one batch of new orders asks, once caches are warm."""
    wire = Wire()
    event.listen(use.engine, "connect", wire.connected)
    consume(use, prepared_batches(use, 3))
    (batch,) = prepared_batches(use, 1)
    wire.reset()
    consume(use, [batch])
    return wire


def measure() -> Wire:
    """Return what a batch of ten new orders asks of a real server."""
    with ExitStack() as stack:
        instance = stack.enter_context(running_instance({}))
        use = ConsumerServices(
            Settings.from_env(environment_for(instance.status["functions_database_url"], dict(os.environ)))
        )
        logger.setLevel("WARNING")
        stack.callback(use.engine.dispose)
        return count(use)


def main() -> None:
    take_no_options(__doc__)
    found = measure()
    print("a batch of ten orders   round trips   commits")
    for side in ("record", "market"):
        print(f"{side:<22}{found.round_trips[side]:>13}{found.commits[side]:>10}")
    print(f"{'goal, the record':<22}{ROUND_TRIPS_MAX:>13}{COMMITS_MAX:>10}")


if __name__ == "__main__":
    main()
