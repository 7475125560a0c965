"""The alarms of a stage, from one table.
Each has a row in ``docs/operating.md`` that says what to do. Pure.
"""

from dataclasses import dataclass
from typing import Final

from infra.deploy.defects import DEFECTS_METRIC
from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import (
    CLUSTER,
    DEAD_LETTERS,
    DEFECTS,
    ENGINE,
    ORDERS,
    PROXY,
    REST,
    WEBSOCKET,
    Source,
    filled,
    function,
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row: rings when ``metric`` is above ``threshold`` in ``bad`` of ``of`` periods.

    Attributes:
        rings_below: Less than the threshold is bad rather than more, and silence is as bad.
        on_aws_only: Whether the source exists only where the stage has a database of its own.
    """

    name: str
    meaning: str
    source: Source
    metric: str
    statistic: str = "Sum"
    threshold: float = 0
    bad: int = 2
    of: int = 3
    period_s: int = 60
    rings_below: bool = False
    on_aws_only: bool = False


def _errors(name: str, of: str, meaning: str, *, bad: int = 2) -> Alarm:
    return Alarm(name, meaning, function(of), "Errors", bad=bad)


def _throttles(name: str, of: str, meaning: str) -> Alarm:
    return Alarm(name, meaning, function(of), "Throttles")


def _p99_ms(name: str, of: str, threshold_ms: float, meaning: str) -> Alarm:
    return Alarm(name, meaning, function(of), "Duration", "p99", threshold_ms, bad=2, of=2, period_s=300)


ALARMS: Final = (
    Alarm(
        "DeadLetters",
        "An order is among the dead letters.",
        DEAD_LETTERS,
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        bad=1,
        of=1,
    ),
    Alarm(
        "OldestOrder",
        "Orders have waited for half a minute.",
        ORDERS,
        "ApproximateAgeOfOldestMessage",
        "Maximum",
        30,
        bad=3,
        of=3,
    ),
    _errors("ConsumerErrors", "execute_orders", "The consumer fails as a whole."),
    # A defect stays with the request or order that it is in, so that no function fails for it.
    Alarm("Defects", "A defect of ours was logged.", DEFECTS, DEFECTS_METRIC, bad=1, of=1),
    _throttles("ConsumerThrottles", "execute_orders", "The consumer is throttled."),
    # Of the six seconds that the consumer may run.
    _p99_ms("ConsumerLatency", "execute_orders", 4800, "Batches take nearly as long as a function may run."),
    _errors("MessageErrors", "websocket_message", "Frames of clients end in an internal error."),
    _throttles(
        "MessageThrottles", "websocket_message", "Frames of clients are refused for want of concurrency."
    ),
    _p99_ms("MessageLatency", "websocket_message", 1000, "Accepting a frame takes over a second."),
    _errors("ConnectErrors", "websocket_connect", "Connecting fails: clients see 502."),
    _errors("AuthorizerErrors", "websocket_authorizer", "Tokens cannot be checked: clients see 500."),
    # Not IntegrationError: that counts connections which the function
    # refuses, too, and any client can cause those.
    Alarm(
        "ConnectionFailures", "API Gateway cannot call the WebSocket functions.", WEBSOCKET, "ExecutionError"
    ),
    Alarm("RestErrors", "REST requests end in 5xx.", REST, "5XXError"),
    _errors("DeadLetterErrors", "settle_dead_letters", "Dead letters cannot be resolved."),
    _errors("SweepErrors", "sweep", "The sweep fails: what is stranded stays stranded.", bad=3),
    Alarm(
        "SweepPutOff",
        "The sweep is put off: the database or the queue is away.",
        ENGINE,
        "SweepsPutOff",
        bad=3,
    ),
    Alarm(
        "SweepStopped",
        "The sweep has not run for five minutes.",
        function("sweep"),
        "Invocations",
        threshold=1,
        bad=1,
        of=1,
        period_s=300,
        rings_below=True,
    ),
    _errors(
        "MatchErrors", "match_prices", "Prices are not matched by the clock: resting orders wait.", bad=3
    ),
    Alarm(
        "MatchPutOff",
        "Matching prices is put off: the database or the market is away.",
        ENGINE,
        "MatchesPutOff",
        bad=3,
    ),
    _errors("ArchiveErrors", "archive_orders", "What ended long ago is not archived."),
    Alarm(
        "ArchivePutOff",
        "Archiving is put off: the database or the bucket is away.",
        ENGINE,
        "ArchivingPutOff",
        bad=3,
        of=3,
        period_s=900,
    ),
    Alarm(
        "OrdersNotArchived",
        "Orders that ended long ago are not what was written.",
        ENGINE,
        "OrdersNotArchived",
        bad=1,
        of=1,
        period_s=900,
    ),
    Alarm(
        "DatabaseCapacity",
        "The database is near its largest size.",
        CLUSTER,
        "ACUUtilization",
        "Average",
        90,
        bad=5,
        of=5,
        on_aws_only=True,
    ),
    Alarm(
        "DatabaseConnections",
        "Functions wait 100 ms for a connection.",
        PROXY,
        "DatabaseConnectionsBorrowLatency",
        "Average",
        100_000,
        bad=5,
        of=5,
        on_aws_only=True,
    ),
)


def alarm_resource(alarm: Alarm) -> JsonObject:
    """Return the alarm as a resource of the monitoring template,
    which sends it to the topic ``AlarmTopic``.
    """
    statistic = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    properties = {
        "AlarmName": filled(f"orderflow-${{Stage}}-{alarm.name}"),
        "AlarmDescription": f"{alarm.meaning} docs/operating.md says what to do.",
        "Namespace": filled(alarm.source.namespace),
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": filled(value)} for name, value in alarm.source.dimensions],
        statistic: alarm.statistic,
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.of,
        "DatapointsToAlarm": alarm.bad,
        "Threshold": alarm.threshold,
        "ComparisonOperator": "LessThanThreshold" if alarm.rings_below else "GreaterThanThreshold",
        "TreatMissingData": "breaching" if alarm.rings_below else "notBreaching",
        "AlarmActions": [{"Ref": "AlarmTopic"}],
        "OKActions": [{"Ref": "AlarmTopic"}],
    }
    condition = {"Condition": "HasDatabase"} if alarm.on_aws_only else {}
    return {"Type": "AWS::CloudWatch::Alarm", **condition, "Properties": properties}
