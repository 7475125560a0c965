"""What a batch of ten orders asks of Postgres, counted: ``python -m benchmarks.round_trips``."""

import os
from collections import Counter
from contextlib import ExitStack
from typing import Any, Final

from sqlalchemy import event

from benchmarks.consumer import ConsumerServices, consume, environment_for, prepared_batches
from benchmarks.instance import running_instance
from chalicelib.config import Settings
from chalicelib.logs import logger

ROUND_TRIPS_MAX: Final = 8
COMMITS_MAX: Final = 3


class Statements:
    """Counts statements and commits while it listens to an engine.

    A statement outside a transaction is its own commit if it writes; those of the simulated market, which stands in
    for venues and chain, are counted apart.
    """

    def __init__(self) -> None:
        self.round_trips = Counter[str]()
        self.commits = Counter[str]()

    def executed(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        side = "market" if "market." in statement or "pg_advisory" in statement else "record"
        self.round_trips[side] += 1
        if _is_single(connection) and any(verb in statement for verb in ("INSERT", "UPDATE", "DELETE")):
            self.commits[side] += 1

    def committed(self, connection: Any) -> None:
        if not _is_single(connection):
            # BEGIN and COMMIT travel too.
            self.round_trips["market"] += 2
            self.commits["market"] += 1


def _is_single(connection: Any) -> bool:
    """Return whether each statement of the connection is a transaction of its own."""
    return bool(connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT")


def count(use: ConsumerServices) -> Statements:
    """Return what one batch of new orders asks, once caches are warm."""
    statements = Statements()
    consume(use, prepared_batches(use, 3))
    (batch,) = prepared_batches(use, 1)
    event.listen(use.engine, "after_cursor_execute", statements.executed)
    event.listen(use.engine, "commit", statements.committed)
    consume(use, [batch])
    return statements


def main() -> None:
    with ExitStack() as stack:
        instance = stack.enter_context(running_instance({}))
        use = ConsumerServices(
            Settings.from_env(environment_for(instance.status["database_url"], dict(os.environ)))
        )
        logger.setLevel("WARNING")
        stack.callback(use.engine.dispose)
        found = count(use)
    print("a batch of ten orders   round trips   commits")
    for side in ("record", "market"):
        print(f"{side:<22}{found.round_trips[side]:>13}{found.commits[side]:>10}")
    print(f"{'goal, the record':<22}{ROUND_TRIPS_MAX:>13}{COMMITS_MAX:>10}")


if __name__ == "__main__":
    main()
