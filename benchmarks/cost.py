"""What a million orders cost on AWS at list price, from counted operations: ``python -m benchmarks.cost``.

Frames are counted by clients of a running instance, log lines are what the formatter prints, memory is what the
functions are deployed with. Assumed are how long Lambda bills an order for, and that the consumer's batches are full,
as they are at a load that makes cost a question. Prices are us-east-1's public ones without free tiers. What costs the
same at any rate is left out: Postgres, alarms, and some two million empty receives a month (0.80 USD).
"""

import argparse
import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.load import QUIET
from benchmarks.shapes import Load, Shape, run_load
from chalicelib.domain.orders import JsonObject
from chalicelib.logs import SERVICE, LineFormatter

# https://aws.amazon.com/api-gateway/pricing/: a message is 32 KB of a frame in either direction.
WEBSOCKET_MESSAGE_USD: Final = 1.00e-6
WEBSOCKET_MINUTE_USD: Final = 0.25e-6
# https://aws.amazon.com/lambda/pricing/, x86-64, which is what Chalice deploys.
INVOCATION_USD: Final = 0.20e-6
GB_SECOND_USD: Final = 0.0000166667
# https://aws.amazon.com/sqs/pricing/: a request is 64 KB of a standard queue's call.
SQS_REQUEST_USD: Final = 0.40e-6
# https://aws.amazon.com/cloudwatch/pricing/: ingestion, of each event's text and 26 bytes more.
LOG_GB_USD: Final = 0.50
LOG_EVENT_BYTES: Final = 26

BATCH: Final = 10
ORDERS: Final = 100
CONFIG: Final = Path(__file__).parents[1] / "chalice_app" / ".chalice" / "config.json"
# Of each invocation: START, END and REPORT.
PLATFORM_BYTES: Final = 330 + 3 * LOG_EVENT_BYTES
METRICS_BYTES: Final = 480 + LOG_EVENT_BYTES
"""Of a batch, in CloudWatch's embedded format."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to be told.

    Attributes:
        load: What is run to count its frames.
        message_ms: How long the message function is billed for an order: a send to SQS, and a post
            unless somebody else acknowledges the order.
    """

    name: str
    load: Load
    message_ms: float


# The first two are what the goals are about.
WAYS: Final = (
    Way("frame by frame", Load(ORDERS, 10, Shape.CLOSED_LOOP), 10.0),
    Way("?batch=1", Load(ORDERS, 10, Shape.CLOSED_LOOP, batched=True), 6.0),
    Way("ten at once", Load(BATCH, 1, Shape.ALL_AT_ONCE, batched=True), 6.0),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of operation.

    Attributes:
        per_order: How many of them, or how much, an order takes.
    """

    name: str
    per_order: float
    unit_usd: float

    @property
    def usd_per_million(self) -> float:
        return self.per_order * self.unit_usd * 1e6


def lines(*, frames: float, message_ms: float, batch_ms: float) -> list[Line]:
    """Return the operations of one market order that arrives over a WebSocket and is confirmed.

    Args:
        frames: Frames to the client.
        message_ms: How long the message function is billed for an order.
        batch_ms: How long the consumer is billed for a batch of ten.
    """
    message_gb, consumer_gb = memory_gb("websocket_message"), memory_gb("execute_orders")
    invocations = 1 + 1 / BATCH
    return [
        Line("WebSocket messages in", 1, WEBSOCKET_MESSAGE_USD),
        Line("WebSocket messages out", frames, WEBSOCKET_MESSAGE_USD),
        Line("connection minutes, 60 orders each", 1 / 60, WEBSOCKET_MINUTE_USD),
        Line("message function: invocations", 1, INVOCATION_USD),
        Line("message function: GB s", message_ms / 1000 * message_gb, GB_SECOND_USD),
        Line("SQS: send", 1, SQS_REQUEST_USD),
        Line("SQS: receive and delete", 2 / BATCH, SQS_REQUEST_USD),
        Line("consumer: invocations", 1 / BATCH, INVOCATION_USD),
        Line("consumer: GB s", batch_ms / 1000 / BATCH * consumer_gb, GB_SECOND_USD),
        Line("logs: a line per event, GB", order_log_bytes() / 1e9, LOG_GB_USD),
        Line("logs: Lambda's own, GB", invocations * PLATFORM_BYTES / 1e9, LOG_GB_USD),
        Line("logs: metrics, GB", METRICS_BYTES / BATCH / 1e9, LOG_GB_USD),
    ]


def memory_gb(function: str) -> float:
    """Return what a function is deployed with."""
    config = json.loads(CONFIG.read_text(encoding="utf-8"))
    own = config["lambda_functions"][function]
    return float(own.get("lambda_memory_size", config["lambda_memory_size"])) / 1024


def order_log_bytes() -> int:
    """Return what the lines of an order take: one when it is accepted, and one for each of its six events."""
    formatter = LineFormatter()
    formatter.append_keys(service=SERVICE)
    order = {"order_id": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}
    trace = {"correlation_id": "DuKxFHZnoAMEPuA=", "xray_trace_id": f"1-{'0' * 8}-{'0' * 24}"}
    event = {**order, "seq": 1, "attempt": 1, "pair": "SOL->USDC", **trace}
    signature = {"txSignature": "5" * 88}
    facts: list[JsonObject] = [
        *[{**event, "order_status": status} for status in ("pending", "routing", "routed", "building")],
        {**event, "order_status": "submitted", **signature},
        {**event, "order_status": "confirmed", **signature, "outputAmount": "225.123456"},
    ]
    texts = [_log_line(formatter, "order accepted", {**order, **trace, "connection_id": "DuKxFcR3oAMCJdQ="})]
    texts += [_log_line(formatter, "order event", each) for each in facts]
    return sum(len(text.encode()) + LOG_EVENT_BYTES for text in texts)


def _log_line(formatter: LineFormatter, message: str, facts: JsonObject) -> str:
    return formatter.format(logging.makeLogRecord({"levelname": "INFO", "msg": message, **facts}))


def frames_per_order(ways: Sequence[Way]) -> list[float]:
    """Run each way once; return the frames that its clients counted, by order."""
    with running_instance(QUIET) as instance:
        asyncio.run(run_load(instance, Load(ORDERS, 10, Shape.CLOSED_LOOP)))
        runs = [asyncio.run(run_load(instance, way.load)) for way in ways]
    return [run.frames / run.load.orders for run in runs]


def report(*, batch_ms: float = 60.0) -> tuple[float, float]:
    """Print the table; return USD per million orders frame by frame, and with ``?batch=1``, one in flight each."""
    frames = frames_per_order(WAYS)
    columns = [
        lines(frames=each, message_ms=way.message_ms, batch_ms=batch_ms)
        for way, each in zip(WAYS, frames, strict=True)
    ]
    print(f"{'USD per million orders':<38}" + "".join(f"{way.name:>16}" for way in WAYS))
    print(f"{'frames out per order':<38}" + "".join(f"{each:>16.2f}" for each in frames))
    for of_kind in zip(*columns, strict=True):
        print(f"{of_kind[0].name:<38}" + "".join(f"{line.usd_per_million:>16.2f}" for line in of_kind))
    sums = [sum(line.usd_per_million for line in column) for column in columns]
    unlogged = [
        sum(line.usd_per_million for line in column if not line.name.startswith("logs")) for column in columns
    ]
    print(f"{'sum':<38}" + "".join(f"{each:>16.2f}" for each in sums))
    print(f"{'without logs':<38}" + "".join(f"{each:>16.2f}" for each in unlogged))
    print(f"{'goal':<38}{6.0:>16.2f}{3.0:>16.2f}")
    return sums[0], sums[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batch-ms",
        type=float,
        default=60.0,
        help="billed for a batch of ten; 60 without latencies of venues and chain",
    )
    for line in environment_lines():
        print(line)
    report(batch_ms=parser.parse_args().batch_ms)


if __name__ == "__main__":
    main()
