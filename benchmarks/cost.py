"""What a million orders cost on AWS at list price, from counted operations: ``python -m benchmarks.cost``.

Prices are us-east-1's public ones, without free tiers; a Lambda's time is what it takes here, on one core, at the
memory that buys about one core's worth there. Postgres is a fixed price by the hour, and so not in the sum.
"""

import argparse
from dataclasses import dataclass
from typing import Final

# https://aws.amazon.com/api-gateway/pricing/: a message is 32 KB of a frame in either direction.
WEBSOCKET_MESSAGE_USD: Final = 1.00e-6
WEBSOCKET_MINUTE_USD: Final = 0.25e-6
# https://aws.amazon.com/lambda/pricing/, arm64.
INVOCATION_USD: Final = 0.20e-6
GB_SECOND_USD: Final = 0.0000133334
# https://aws.amazon.com/sqs/pricing/: a request is 64 KB of a standard queue's call.
SQS_REQUEST_USD: Final = 0.40e-6
# https://aws.amazon.com/cloudwatch/pricing/: ingestion.
LOG_GB_USD: Final = 0.50

BATCH: Final = 10
MESSAGE_FUNCTION_GB: Final = 0.25
CONSUMER_GB: Final = 0.5
LOG_BYTES: Final = 4 * 400
"""A line when accepted, and one for each of three commits."""


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
        message_ms: How long the message function takes for an order.
        batch_ms: How long the consumer takes for a batch of ten.
    """
    return [
        Line("WebSocket messages in", 1, WEBSOCKET_MESSAGE_USD),
        Line("WebSocket messages out", frames, WEBSOCKET_MESSAGE_USD),
        Line("connection minutes, 60 orders each", 1 / 60, WEBSOCKET_MINUTE_USD),
        Line("message function: invocations", 1, INVOCATION_USD),
        Line("message function: GB s", message_ms / 1000 * MESSAGE_FUNCTION_GB, GB_SECOND_USD),
        Line("SQS: send", 1, SQS_REQUEST_USD),
        Line("SQS: receive and delete", 2 / BATCH, SQS_REQUEST_USD),
        Line("consumer: invocations", 1 / BATCH, INVOCATION_USD),
        Line("consumer: GB s", batch_ms / 1000 / BATCH * CONSUMER_GB, GB_SECOND_USD),
        Line("logs, GB", LOG_BYTES / 1e9, LOG_GB_USD),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--message-ms", type=float, default=5.0, help="message function, an order")
    parser.add_argument(
        "--batch-ms", type=float, default=60.0, help="consumer, ten orders, with no venue latency"
    )
    options = parser.parse_args()
    one_by_one = lines(frames=7, message_ms=options.message_ms, batch_ms=options.batch_ms)
    # Acknowledgement, then the frames of each of the three commits together.
    batched = lines(frames=4, message_ms=options.message_ms, batch_ms=options.batch_ms)
    print(f"{'USD per million orders':<38}{'per order':>10}{'frame by frame':>16}{'batched':>10}")
    for line, other in zip(one_by_one, batched, strict=True):
        print(
            f"{line.name:<38}{line.per_order:>10.4g}{line.usd_per_million:>16.2f}{other.usd_per_million:>10.2f}"
        )
    sums = [sum(line.usd_per_million for line in found) for found in (one_by_one, batched)]
    print(f"{'sum':<48}{sums[0]:>16.2f}{sums[1]:>10.2f}")
    print(f"{'goal':<48}{6.0:>16.2f}{3.0:>10.2f}")


if __name__ == "__main__":
    main()
