"""Orders per second of one consumer alone: ``python -m benchmarks.consumer``.

Batches of ten from a prepared queue, through the use case that the queue handler calls, against a real and
durable Postgres; frames go to a sink. One process, one batch at a time, as in one Lambda environment.
"""

import argparse
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.orders import market_orders
from benchmarks.processes import cpu_seconds
from benchmarks.shapes import spread
from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.logs import logger
from chalicelib.services.consumer.messages import Received
from chalicelib.services.intake.submit import SubmitOrders
from chalicelib.services.ports import Connections, Delivery, Frame, OrderQueue, QueueMessage
from chalicelib.wire.client_frames import parse_client_frame
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.queue_messages import parse_message
from chalicelib.wire.server_frames import json_text

BATCH: Final = 10
BATCHES: Final = 100
RUNS: Final = 3
CONNECTIONS: Final = 10
_ROUNDS_MAX: Final = 200
_PAUSE_S: Final = 0.1
"""Before a message is handed out again; all together are more than a lease."""
DRIVER: Final = "postgresql+pg8000"


@dataclass(frozen=True, slots=True)
class Run:
    """Orders per second, and processor milliseconds per order by process kind."""

    rate: float
    cpu_ms: Mapping[str, float]


class Sink:
    """Takes every frame."""

    def __init__(self) -> None:
        self.frames = 0

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        posted = list(frames)
        self.frames += len(posted)
        return {frame.connection_id: Delivery.DELIVERED for frame in posted}

    def close(self, connection_id: str) -> None:
        raise AssertionError(connection_id)


class PreparedQueue:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self.bodies += [message.body for message in messages]

    def check(self) -> None:
        return

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        """What comes back is handed out again at once: see ``consume``."""
        del seconds


class ConsumerServices(Services):
    """The production wiring, but for what stands at its two ends."""

    sink = Sink()
    prepared = PreparedQueue()

    @property
    def connections(self) -> Connections:
        return self.sink

    @property
    def queue(self) -> OrderQueue:
        return self.prepared


def prepared_batches(
    use: ConsumerServices, batches: int, *, key_prefix: str | None = None
) -> list[list[str]]:
    """Return bodies as the accept path writes them; ``key_prefix`` is that of ``market_orders``."""
    submit_orders = SubmitOrders(use.prepared, use.client_order_keys, use.clock)
    for number, order in enumerate(islice(market_orders(key_prefix), batches * BATCH)):
        fields = parse_client_frame(json_text({"action": "submit", **order})).fields
        assert isinstance(fields, OrderFields)
        submit_orders.submit(fields.terms(use.tokens), "local", connection_id=f"bench-{number % CONNECTIONS}")
    bodies, use.prepared.bodies = use.prepared.bodies, []
    return [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]


def consume(use: ConsumerServices, batches: Sequence[Sequence[str]], *, pause_s: float = _PAUSE_S) -> float:
    """Work through all batches, each until its orders are final; return the wall time in seconds.

    On a machine that is busy with other things, a statement may not be answered in time: its messages come
    again after a pause, as they would from the queue.
    """
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        started = time.perf_counter()
        for bodies in batches:
            left = [Received(parse_message(body), str(place), 1) for place, body in enumerate(bodies)]
            for _ in range(_ROUNDS_MAX):
                done = use.consume_messages.consume(left)
                left = [received for received, is_done in zip(left, done, strict=True) if not is_done]
                if not left:
                    break
                time.sleep(pause_s)
            assert not left, "orders that do not end"
            # The handler's last step; metrics are lines of text.
            use.observer.flush()
        return time.perf_counter() - started


def main() -> None:
    options = _parser().parse_args()
    for line in environment_lines():
        print(line)
    measure(batches=options.batches, runs=options.runs, driver=options.driver, is_logging=options.logs)


def measure(
    *, batches: int = BATCHES, runs: int = RUNS, driver: str = DRIVER, is_logging: bool = False
) -> Run:
    """Run a consumer several times; print and return the median run."""
    with ExitStack() as stack:
        instance = stack.enter_context(running_instance({}))
        status = instance.status
        address = status["functions_database_url"].replace("postgresql://", f"{driver}://", 1)
        use = ConsumerServices(Settings.from_env(environment_for(address, dict(os.environ))))
        logger.setLevel("INFO" if is_logging else "WARNING")
        stack.callback(use.engine.dispose)
        consume(use, prepared_batches(use, 20))
        kinds = {"consumer": [os.getpid()], "postgres": status["pids"]["postgres"]}
        return report([_run(use, kinds, batches) for _ in range(runs)], driver=driver, batches=batches)


def _run(use: ConsumerServices, kinds: Mapping[str, Sequence[int]], batches: int) -> Run:
    orders, bodies = batches * BATCH, prepared_batches(use, batches)
    before = cpu_seconds(kinds)
    rate = orders / consume(use, bodies)
    after = cpu_seconds(kinds)
    return Run(rate, {kind: (after[kind] - before[kind]) * 1000 / orders for kind in kinds})


def report(runs: Sequence[Run], *, driver: str, batches: int) -> Run:
    """Print and return the median of several runs."""
    middle = sorted(runs, key=lambda run: run.rate)[len(runs) // 2]
    shown = ", ".join(f"{kind} {cost:.2f}" for kind, cost in middle.cpu_ms.items())
    print(
        f"{driver}: {middle.rate:,.0f} orders/s, ± {spread([run.rate for run in runs]):.0%}, "
        f"{len(runs)} runs of "
        f"{batches} batches of {BATCH}; processor ms/order: {shown}"
    )
    return middle


def environment_for(database_url: str, inherited: dict[str, str]) -> dict[str, str]:
    """Return the settings of a consumer without latencies or limits."""
    return {
        **inherited,
        "DATABASE_URL": database_url,
        "AWS_REGION": "us-east-1",
        "WALLET_SEED": "a benchmark's wallets",
        "CONNECTIONS_URL": "http://127.0.0.1:9/ws",
        "MARKET_FAUCET": "1",
        "PARTIAL_BATCH_RESPONSES": "1",
        "AUTH_MODE": "none",
        "LOCAL_GATEWAY_HOST": "127.0.0.1",
        "QUOTE_LATENCY_MS": "0",
        "SETTLEMENT_LATENCY_MS": "0",
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--driver", default=DRIVER, help="or postgresql+psycopg")
    parser.add_argument("--logs", action="store_true", help="with the application's log lines")
    return parser


if __name__ == "__main__":
    main()
