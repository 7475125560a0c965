"""The alarms and the dashboard of a stage, from one table. Every alarm has a section in ``docs/operating.md``. Pure."""

import json
from dataclasses import dataclass
from typing import Final

from infra.deploy.json_types import JsonObject

FUNCTIONS: Final = (
    "websocket_connect",
    "websocket_message",
    "websocket_disconnect",
    "api_handler",
    "execute_orders",
    "settle_dead_letters",
    "sweep",
)

_ORDERS: Final = ("AWS/SQS", {"QueueName": "orderflow-${Stage}-orders"})
_DEAD_LETTERS: Final = ("AWS/SQS", {"QueueName": "orderflow-${Stage}-orders-dlq"})
_WEBSOCKET: Final = ("AWS/ApiGateway", {"ApiId": "${WebsocketAPIId}", "Stage": "ws"})
_REST: Final = ("AWS/ApiGateway", {"ApiName": "orderflow", "Stage": "api"})
_CLUSTER: Final = ("AWS/RDS", {"DBClusterIdentifier": "orderflow-${Stage}"})
_PROXY: Final = ("AWS/RDS", {"ProxyName": "orderflow-${Stage}"})

Source = tuple[str, dict[str, str]]


def _function(name: str) -> Source:
    return "AWS/Lambda", {"FunctionName": f"orderflow-${{Stage}}-{name}"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row: rings when ``metric`` is beyond ``threshold`` in ``bad`` of ``of`` periods.

    Attributes:
        unless: Whether silence is an alarm too, and less than the threshold is bad rather than more.
        on_aws_only: Whether the source exists only where the stage has a database of its own.
    """

    name: str
    meaning: str
    source: Source
    metric: str
    statistic: str
    threshold: float
    bad: int = 1
    of: int = 1
    period_s: int = 60
    unless: bool = False
    on_aws_only: bool = False


ALARMS: Final = (
    Alarm(
        "DeadLetters",
        "An order is among the dead letters.",
        _DEAD_LETTERS,
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        0,
    ),
    Alarm(
        "OldestOrder",
        "Orders have waited for half a minute.",
        _ORDERS,
        "ApproximateAgeOfOldestMessage",
        "Maximum",
        30,
        3,
        3,
    ),
    Alarm(
        "ConsumerErrors",
        "The consumer fails as a whole.",
        _function("execute_orders"),
        "Errors",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm(
        "ConsumerThrottles",
        "The consumer is throttled.",
        _function("execute_orders"),
        "Throttles",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm(
        "ConsumerLatency",
        "Batches take nearly as long as a function may run.",
        _function("execute_orders"),
        "Duration",
        "p99",
        4800,
        2,
        2,
        300,
    ),
    Alarm(
        "MessageErrors",
        "Frames of clients end in an internal error.",
        _function("websocket_message"),
        "Errors",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm(
        "MessageLatency",
        "Accepting a frame takes over a second.",
        _function("websocket_message"),
        "Duration",
        "p99",
        1000,
        2,
        2,
        300,
    ),
    Alarm(
        "ConnectErrors",
        "Connecting fails: clients see 502.",
        _function("websocket_connect"),
        "Errors",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm(
        "ConnectionFailures",
        "API Gateway cannot run the WebSocket functions.",
        _WEBSOCKET,
        "IntegrationError",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm("RestErrors", "REST requests end in 5xx.", _REST, "5XXError", "Sum", 0, 2, 3),
    Alarm(
        "SettlingErrors",
        "Dead letters cannot be settled.",
        _function("settle_dead_letters"),
        "Errors",
        "Sum",
        0,
        2,
        3,
    ),
    Alarm(
        "SweepErrors",
        "The sweep fails: what is stranded stays stranded.",
        _function("sweep"),
        "Errors",
        "Sum",
        0,
        3,
        3,
    ),
    Alarm(
        "SweepStopped",
        "The sweep has not run for five minutes.",
        _function("sweep"),
        "Invocations",
        "Sum",
        1,
        period_s=300,
        unless=True,
    ),
    Alarm(
        "DatabaseCapacity",
        "The database is near its largest size.",
        _CLUSTER,
        "ACUUtilization",
        "Average",
        90,
        5,
        5,
        on_aws_only=True,
    ),
    Alarm(
        "DatabaseConnections",
        "Functions wait 100 ms for a connection.",
        _PROXY,
        "DatabaseConnectionsBorrowLatency",
        "Average",
        100_000,
        5,
        5,
        on_aws_only=True,
    ),
)

_QUEUE_FLOW: Final = ("NumberOfMessagesSent", "NumberOfMessagesDeleted", "ApproximateNumberOfMessagesVisible")
_SOCKETS: Final = ("ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError")
_DATABASE: Final = ("ACUUtilization", "CPUUtilization", "DatabaseConnections", "CommitLatency")

Line = tuple[Source, str]

WIDGETS: Final[tuple[tuple[str, str, tuple[Line, ...]], ...]] = (
    ("Orders queue", "Sum", tuple((_ORDERS, metric) for metric in _QUEUE_FLOW)),
    ("Age of the oldest order, s", "Maximum", ((_ORDERS, "ApproximateAgeOfOldestMessage"),)),
    ("Dead letters", "Maximum", ((_DEAD_LETTERS, "ApproximateNumberOfMessagesVisible"),)),
    ("Connections and frames", "Sum", tuple((_WEBSOCKET, metric) for metric in _SOCKETS)),
    ("Duration p99, ms", "p99", tuple((_function(name), "Duration") for name in FUNCTIONS)),
    ("Errors", "Sum", tuple((_function(name), "Errors") for name in FUNCTIONS)),
    (
        "Concurrent executions",
        "Maximum",
        tuple((_function(name), "ConcurrentExecutions") for name in FUNCTIONS),
    ),
    ("Throttles", "Sum", tuple((_function(name), "Throttles") for name in FUNCTIONS)),
    ("Database", "Average", tuple((_CLUSTER, metric) for metric in _DATABASE)),
)
_COLUMNS: Final = 3
_WIDTH: Final = 8
_HEIGHT: Final = 6


def monitoring_template() -> JsonObject:
    """Return the CloudFormation template of the alarms, where they are sent, and the dashboard."""
    dashboard = {"widgets": [_widget(index, *row) for index, row in enumerate(WIDGETS)]}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Alarms and the dashboard to look at first.",
        "Parameters": {
            "Stage": {"Type": "String"},
            "WebsocketAPIId": {"Type": "String"},
            "AlarmEmail": {"Type": "String", "Default": ""},
            "DatabaseCluster": {"Type": "String", "Default": ""},
        },
        "Conditions": {name: _is_given(parameter) for name, parameter in _CONDITIONS.items()},
        "Resources": {
            "AlarmTopic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"TopicName": {"Fn::Sub": "orderflow-${Stage}-alarms"}},
            },
            "AlarmSubscription": {
                "Type": "AWS::SNS::Subscription",
                "Condition": "HasEmail",
                "Properties": {
                    "TopicArn": {"Ref": "AlarmTopic"},
                    "Protocol": "email",
                    "Endpoint": {"Ref": "AlarmEmail"},
                },
            },
            "Dashboard": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {
                    "DashboardName": {"Fn::Sub": "orderflow-${Stage}"},
                    "DashboardBody": {"Fn::Sub": json.dumps(dashboard)},
                },
            },
            **{alarm.name: _alarm(alarm) for alarm in ALARMS},
        },
        "Outputs": {"AlarmTopicArn": {"Value": {"Ref": "AlarmTopic"}}},
    }


_CONDITIONS: Final = {"HasEmail": "AlarmEmail", "HasDatabase": "DatabaseCluster"}


def _is_given(parameter: str) -> JsonObject:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def _alarm(alarm: Alarm) -> JsonObject:
    namespace, dimensions = alarm.source
    statistic = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    properties = {
        "AlarmName": {"Fn::Sub": f"orderflow-${{Stage}}-{alarm.name}"},
        "AlarmDescription": f"{alarm.meaning} docs/operating.md says what to do.",
        "Namespace": namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": _filled(value)} for name, value in dimensions.items()],
        statistic: alarm.statistic,
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.of,
        "DatapointsToAlarm": alarm.bad,
        "Threshold": alarm.threshold,
        "ComparisonOperator": "LessThanThreshold" if alarm.unless else "GreaterThanThreshold",
        "TreatMissingData": "breaching" if alarm.unless else "notBreaching",
        "AlarmActions": [{"Ref": "AlarmTopic"}],
        "OKActions": [{"Ref": "AlarmTopic"}],
    }
    condition = {"Condition": "HasDatabase"} if alarm.on_aws_only else {}
    return {"Type": "AWS::CloudWatch::Alarm", **condition, "Properties": properties}


def _filled(text: str) -> str | JsonObject:
    return {"Fn::Sub": text} if "${" in text else text


def _widget(index: int, title: str, statistic: str, lines: tuple[Line, ...]) -> JsonObject:
    row, column = divmod(index, _COLUMNS)
    metrics = [
        [namespace, metric, *(part for pair in dimensions.items() for part in pair)]
        for (namespace, dimensions), metric in lines
    ]
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "stat": statistic,
        "period": 60,
        "metrics": metrics,
    }
    place = {"x": column * _WIDTH, "y": row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
    return {"type": "metric", **place, "properties": properties}
