"""The alarms of a stage, from one table.
Each has a row in ``docs/operating.md`` that says what to do. Pure.
"""

from dataclasses import dataclass
from typing import Final

from infra.deploy.defects import AUTHORIZER_ERRORS_METRIC, DEFECTS_METRIC, ERROR_LINES_METRIC
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
        beside: Another metric of the source, of which there are numbers wherever there are of the first: that
            is bad only while it is greater than this one, too.
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
    beside: str = ""


def _errors(name: str, of: str, meaning: str, *, bad: int = 2) -> Alarm:
    return Alarm(name, meaning, function(of), "Errors", bad=bad)


def _throttles(name: str, of: str, meaning: str) -> Alarm:
    return Alarm(name, meaning, function(of), "Throttles")


def _stopped(name: str, of: str, period_s: int, meaning: str) -> Alarm:
    """Return the alarm of a schedule that does not run."""
    return Alarm(
        name,
        meaning,
        function(of),
        "Invocations",
        threshold=1,
        bad=1,
        of=1,
        period_s=period_s,
        rings_below=True,
    )


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
    Alarm("ErrorLines", "An error was logged that is no defect.", DEFECTS, ERROR_LINES_METRIC, bad=1, of=1),
    _throttles("ConsumerThrottles", "execute_orders", "The consumer is throttled."),
    # Of the six seconds that the consumer may run.
    _p99_ms("ConsumerLatency", "execute_orders", 4800, "Batches take nearly as long as a function may run."),
    _errors("MessageErrors", "websocket_message", "Frames of clients end in an internal error."),
    _throttles(
        "MessageThrottles", "websocket_message", "Frames of clients are refused for want of concurrency."
    ),
    _p99_ms("MessageLatency", "websocket_message", 1000, "Accepting a frame takes over a second."),
    _errors("ConnectErrors", "websocket_connect", "Connecting fails: clients see 502."),
    # Not the function's Errors: those count each token that it refuses.
    Alarm(
        "AuthorizerErrors", "Tokens cannot be checked: clients see 500.", DEFECTS, AUTHORIZER_ERRORS_METRIC
    ),
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
    _stopped("SweepStopped", "sweep", 300, "The sweep has not run for five minutes."),
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
    _stopped("MatchStopped", "match_prices", 300, "Prices have not been matched for five minutes."),
    Alarm(
        "MarksMissing",
        "Orders wait for a price that cannot be seen: their triggers do not fire.",
        ENGINE,
        "MarksMissing",
        bad=3,
    ),
    Alarm(
        "OrdersFailing",
        "More orders fail than are confirmed.",
        ENGINE,
        "OrdersFailed",
        threshold=20,
        bad=2,
        of=2,
        period_s=300,
        beside="OrdersConfirmed",
    ),
    _stopped("ArchiveStopped", "archive_orders", 3_600, "Archiving has not run for an hour."),
    # Lambda tells of a run when it ends, under the minute in which it began, and it may take the ten minutes
    # until the next one: a window that two of them fit into.
    Alarm(
        "ArchiveErrors",
        "What ended long ago is not archived.",
        function("archive_orders"),
        "Errors",
        threshold=1,
        bad=1,
        of=1,
        period_s=1800,
    ),
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
    measured = _compared(alarm) if alarm.beside else _measured(alarm)
    properties = {
        "AlarmName": filled(f"orderflow-${{Stage}}-{alarm.name}"),
        "AlarmDescription": f"{alarm.meaning} docs/operating.md says what to do.",
        **measured,
        "EvaluationPeriods": alarm.of,
        "DatapointsToAlarm": alarm.bad,
        "Threshold": 0 if alarm.beside else alarm.threshold,
        "ComparisonOperator": "LessThanThreshold" if alarm.rings_below else "GreaterThanThreshold",
        "TreatMissingData": "breaching" if alarm.rings_below else "notBreaching",
        "AlarmActions": [{"Ref": "AlarmTopic"}],
        "OKActions": [{"Ref": "AlarmTopic"}],
    }
    return {"Type": "AWS::CloudWatch::Alarm", **_condition(alarm), "Properties": properties}


def _condition(alarm: Alarm) -> JsonObject:
    if alarm.on_aws_only:
        return {"Condition": "HasDatabase"}
    # MiniStack refuses a stack whose alarms compare metrics.
    return {"Condition": "IsNoEmulator"} if alarm.beside else {}


def _measured(alarm: Alarm) -> JsonObject:
    statistic = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    return {**_metric(alarm, alarm.metric), statistic: alarm.statistic, "Period": alarm.period_s}


def _compared(alarm: Alarm) -> JsonObject:
    """Return what is 1 while one metric is above the threshold and above another one."""
    expression = f"IF(bad > {alarm.threshold} AND bad > good, 1, 0)"
    found: list[JsonObject] = [{"Id": "rings", "Expression": expression, "ReturnData": True}]
    for name, metric in (("bad", alarm.metric), ("good", alarm.beside)):
        stat = {"Metric": _metric(alarm, metric), "Period": alarm.period_s, "Stat": alarm.statistic}
        found.append({"Id": name, "MetricStat": stat, "ReturnData": False})
    return {"Metrics": found}


def _metric(alarm: Alarm, metric: str) -> JsonObject:
    dimensions = [{"Name": name, "Value": filled(value)} for name, value in alarm.source.dimensions]
    return {"Namespace": filled(alarm.source.namespace), "MetricName": metric, "Dimensions": dimensions}
