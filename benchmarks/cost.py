"""What a million orders cost on AWS at list price, from counted operations: ``python -m benchmarks.cost``.

Frames are counted by clients of a running instance, log lines are those that it wrote, memory is what the
functions are deployed with, and the log has what ``prod`` writes. Assumed are how long Lambda bills them for
(``Scenario``), and that the consumer's batches are full, as they are at a load that makes cost a question;
the last row says what it adds when every order comes alone. Prices are us-east-1's public ones without free
tiers. What costs the same at any rate is left
out: Postgres, alarms, and some two million empty receives a month (0.80 USD).
"""

import argparse
import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.environment import environment_lines
from benchmarks.instance import Instance, running_instance
from benchmarks.load import QUIET
from benchmarks.shapes import Load, Shape, run_load
from chalicelib.handlers.schedule import MATCHING_S
from chalicelib.services.archive.archiver import PART_MAX
from chalicelib.wire.server_frames import json_text
from infra.deploy.smoke import smoke_order
from infra.deploy.stacks import stage_values

# https://aws.amazon.com/api-gateway/pricing/: a message is 32 KB of a frame in either direction.
WEBSOCKET_MESSAGE_USD: Final = 1.00e-6
WEBSOCKET_MINUTE_USD: Final = 0.25e-6
# https://aws.amazon.com/lambda/pricing/, x86-64, which is what Chalice deploys.
INVOCATION_USD: Final = 0.20e-6
GB_SECOND_USD: Final = 0.0000166667
# https://aws.amazon.com/sqs/pricing/: a request is 64 KB of a standard queue's call.
SQS_REQUEST_USD: Final = 0.40e-6
# https://aws.amazon.com/cloudwatch/pricing/: the first 10 TB a month of functions' lines, 26 bytes more each.
LOG_GB_USD: Final = 0.50
LOG_EVENT_BYTES: Final = 26
# https://aws.amazon.com/ec2/pricing/on-demand/: the first 10 TB a month to the internet.
OUTBOUND_GB_USD: Final = 0.09

# https://aws.amazon.com/rds/aurora/pricing/ and https://aws.amazon.com/s3/pricing/: a GB-month, and a PUT.
HOT_GB_MONTH_USD: Final = 0.10
COLD_GB_MONTH_USD: Final = 0.023
COLD_PUT_USD: Final = 5e-6
# Glacier Instant Retrieval, as the bucket's lifecycle has it after three months, and moving an object there.
COLDER_GB_MONTH_USD: Final = 0.004
COLDER_MOVE_USD: Final = 2e-5
COLD_MONTHS: Final = 3

# Bytes of an order, as ``benchmarks.depth`` counts them per table: all of it, what of it stays in the record
# once it is archived (its row), and what of it is in the archive.
HOT_BYTES: Final = 3_460
STAYING_BYTES: Final = 770
COLD_BYTES: Final = 690
RETENTION_MONTHS: Final = 1

BATCH: Final = 10
ORDERS: Final = 100
CONFIG: Final = Path(__file__).parents[1] / "chalice_app" / ".chalice" / "config.json"
LOGGED: Final = ("order accepted", "pending", "routing", "routed", "building", "submitted", "confirmed")
METRICS: Final = "metrics"
# platform.start and platform.report, as Lambda's JSON format has them, for
# the message function and a tenth of a batch.
PLATFORM_BYTES: Final = 150 + 260 + 2 * LOG_EVENT_BYTES

# What the message function is billed for an order: 2 ms of computing at 0.3 processors, and 8 for a send to
# SQS. Its answer is its result; what acknowledges the order of a batched connection is the consumer.
_MESSAGE_MS: Final = 10.0
# What one publication to all subscribers takes: posts over NAT, concurrently.
_PUBLISHING_MS: Final = 12.0
# Of a batch besides: 9 round trips of 1.5 ms, four of them commits of 4 more, and processor time.
_WAITING_MS: Final = 9 * 1.5 + 4 * 4.0
_BATCH_CPU_MS: Final = 3.0
_ORDER_CPU_MS: Final = 1.0

_LOGS_EVENTS: Final = stage_values("prod")["LogLevel"] == "INFO"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to send orders and to receive their events.

    Attributes:
        load: What is run to count its frames.
        publications: How often a batch's events are published; once if all that happened travels together.
    """

    name: str
    load: Load
    publications: int


SCENARIOS: Final = (
    Scenario("one in flight", Load(ORDERS, 10, Shape.CLOSED_LOOP), 3),
    Scenario("ten at once", Load(BATCH, 1, Shape.ALL_AT_ONCE), 3),
    Scenario("one in flight", Load(ORDERS, 10, Shape.CLOSED_LOOP, batched=True), 1),
    Scenario("ten at once", Load(BATCH, 1, Shape.ALL_AT_ONCE, batched=True), 1),
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What an instance counted.

    Attributes:
        frames: To the client for an order, for each scenario.
        log_bytes: Of the lines of an order, as CloudWatch bills them.
        metrics_bytes: Of an invocation's metrics, likewise.
        frame_bytes: Of all frames of an order.
    """

    frames: Sequence[float]
    log_bytes: float
    metrics_bytes: float
    frame_bytes: int


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


@dataclass(frozen=True, slots=True)
class Use:
    """What an order takes that depends on the scenario and the load.

    Attributes:
        batch: Orders that a consumer gets at once.
        batch_ms: How long the consumer is billed for a batch.
        log_bytes: Of an order's own lines.
    """

    frames: float
    batch_ms: float
    log_bytes: float
    metrics_bytes: float
    batch: int = BATCH


def lines(use: Use) -> list[Line]:
    """Return the operations of one market order that arrives over a WebSocket and is confirmed."""
    message_gb, consumer_gb = memory_gb("websocket_message"), memory_gb("execute_orders")
    return [
        Line("WebSocket messages in", 1, WEBSOCKET_MESSAGE_USD),
        Line("WebSocket messages out", use.frames, WEBSOCKET_MESSAGE_USD),
        Line("connection minutes, 60 orders each", 1 / 60, WEBSOCKET_MINUTE_USD),
        Line("message function: invocations", 1, INVOCATION_USD),
        Line("message function: GB s", _MESSAGE_MS / 1000 * message_gb, GB_SECOND_USD),
        Line("SQS: send", 1, SQS_REQUEST_USD),
        Line("SQS: receive and delete", 2 / use.batch, SQS_REQUEST_USD),
        Line("consumer: invocations", 1 / use.batch, INVOCATION_USD),
        Line("consumer: GB s", use.batch_ms / 1000 / use.batch * consumer_gb, GB_SECOND_USD),
        Line("logs: metrics, GB", use.metrics_bytes / use.batch / 1e9, LOG_GB_USD),
        Line("logs: a line per event, GB", use.log_bytes / 1e9, LOG_GB_USD),
    ]


def memory_gb(function: str) -> float:
    """Return what a function is deployed with."""
    config = json.loads(CONFIG.read_text(encoding="utf-8"))
    own = config["lambda_functions"][function]
    return float(own.get("lambda_memory_size", config["lambda_memory_size"])) / 1024


def counted(scenarios: Sequence[Scenario]) -> Counted:
    """Run each scenario once on an instance that writes its lines as CloudWatch would get them."""
    with running_instance({**QUIET, "ORDERFLOW_JSON_LOGS": "1"}) as instance:
        asyncio.run(run_load(instance, Load(ORDERS, 10, Shape.CLOSED_LOOP)))
        runs = [asyncio.run(run_load(instance, scenario.load)) for scenario in scenarios]
        frames = smoke_order(instance.url, token=None, say=lambda _line: None)
        sizes = _line_sizes(instance)
    return Counted(
        [run.frames / run.load.orders for run in runs],
        log_bytes=sum(sizes[kind] for kind in LOGGED),
        metrics_bytes=sizes[METRICS],
        frame_bytes=sum(len(json_text(frame).encode()) for frame in frames),
    )


def _line_sizes(instance: Instance) -> Mapping[str, float]:
    """Return what lines take on average by what they say, whatever else the instance wrote."""
    sizes: dict[str, list[int]] = defaultdict(list)
    # The last line may be half there.
    for text in (instance.state_dir.parent / "log").read_bytes().split(b"\n")[:-1]:
        if text.startswith(b"{"):
            line = json.loads(text)
            kind = METRICS if "_aws" in line else line.get("order_status", line.get("message"))
            sizes[kind].append(len(text) + LOG_EVENT_BYTES)
    return {kind: fmean(each) for kind, each in sizes.items()}


def uses(scenarios: Sequence[Scenario], found: Counted, *, batch_ms: float | None) -> list[Use]:
    """Return what an order takes in each scenario; ``batch_ms`` overrides what a full batch is billed for."""
    return [
        Use(
            frames=frames,
            batch_ms=_batch_ms(scenario, BATCH) if batch_ms is None else batch_ms,
            log_bytes=found.log_bytes if _LOGS_EVENTS else 0.0,
            metrics_bytes=found.metrics_bytes,
        )
        for scenario, frames in zip(scenarios, found.frames, strict=True)
    ]


def _batch_ms(scenario: Scenario, orders: int) -> float:
    return _WAITING_MS + _BATCH_CPU_MS + orders * _ORDER_CPU_MS + scenario.publications * _PUBLISHING_MS


def report(*, batch_ms: float | None = None) -> tuple[float, float, float]:
    """Print the table; return USD per million orders.

    Frame by frame, and with ``?batch=1`` one in flight and ten at once.
    """
    found = counted(SCENARIOS)
    full = uses(SCENARIOS, found, batch_ms=batch_ms)
    alone = [
        replace(use, batch=1, batch_ms=_batch_ms(scenario, 1) if batch_ms is None else batch_ms)
        for scenario, use in zip(SCENARIOS, full, strict=True)
    ]
    _row("USD per million orders", ["frame by frame", "", "?batch=1", ""])
    _row("", [scenario.name for scenario in SCENARIOS])
    _row("frames out per order", found.frames)
    for of_kind in zip(*(lines(use) for use in full), strict=True):
        _row(of_kind[0].name, [line.usd_per_million for line in of_kind])
    sums = [_sum(use) for use in full]
    _row("sum", sums)
    with_lines = [_sum(replace(use, log_bytes=found.log_bytes)) for use in full]
    _row("with a line per event, as in dev", with_lines)
    _row("goal", [6.0, 6.0, 3.0, 3.0])
    print("not in the sum")
    outbound = found.frame_bytes / 1e9 * OUTBOUND_GB_USD * 1e6
    _row(f"  {found.frame_bytes:,} bytes to the client", [outbound] * len(SCENARIOS))
    platform = [(1 + 1 / use.batch) * PLATFORM_BYTES / 1e9 * LOG_GB_USD * 1e6 for use in full]
    _row("  ORDERFLOW_SYSTEM_LOG_LEVEL=INFO", platform)
    _row(
        "  consumer gets orders one by one", [_sum(one) - most for one, most in zip(alone, sums, strict=True)]
    )
    print("kept for a year")
    _row("  everything in the record", [_stored(HOT_BYTES, 12, HOT_GB_MONTH_USD)] * len(SCENARIOS))
    _row("  archived after 30 days", [archived_usd()] * len(SCENARIOS))
    print("a month, whatever number of orders rests")
    _row("  match_prices, while any is armed", [matching_usd_per_month()])
    _row("  match_prices, while none is", [30 * 24 * 60 * (INVOCATION_USD + 0.01 * 0.25 * GB_SECOND_USD)])
    return sums[0], sums[2], sums[3]


def archived_usd() -> float:
    """Return what keeping a million orders for a year costs if they are archived after a month."""
    months_after = 12 - RETENTION_MONTHS
    return (
        _stored(HOT_BYTES, RETENTION_MONTHS, HOT_GB_MONTH_USD)
        + _stored(STAYING_BYTES, months_after, HOT_GB_MONTH_USD)
        + _stored(COLD_BYTES, COLD_MONTHS, COLD_GB_MONTH_USD)
        + _stored(COLD_BYTES, months_after - COLD_MONTHS, COLDER_GB_MONTH_USD)
        + 1e6 / PART_MAX * (COLD_PUT_USD + COLDER_MOVE_USD)
    )


def _stored(order_bytes: int, months: int, gb_month_usd: float) -> float:
    return order_bytes * 1e6 / 1e9 * months * gb_month_usd


def matching_usd_per_month() -> float:
    """Return what looking at prices costs while an order rests always, whatever number of them does."""
    seconds = 30 * 24 * 3_600 * MATCHING_S / 60
    return seconds * memory_gb("match_prices") * GB_SECOND_USD + 30 * 24 * 60 * INVOCATION_USD


def _sum(use: Use) -> float:
    return sum(line.usd_per_million for line in lines(use))


def _row(name: str, cells: Sequence[float | str]) -> None:
    print(
        f"{name:<38}"
        + "".join(f"{each:>16}" if isinstance(each, str) else f"{each:>16.2f}" for each in cells)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batch-ms",
        type=float,
        help="billed for a batch, with latencies of venues and chain; without, "
        "it is computed from counted steps",
    )
    given = parser.parse_args()
    for line in environment_lines():
        print(line)
    report(batch_ms=given.batch_ms)


if __name__ == "__main__":
    main()
