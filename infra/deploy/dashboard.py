"""The dashboard of a stage: a table of widgets, laid out in rows of three. Pure."""

import json
from typing import Final

from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import (
    CLUSTER,
    DEAD_LETTERS,
    FUNCTIONS,
    ORDERS,
    PROXY,
    WEBSOCKET,
    Source,
    filled,
    function,
)

Line = tuple[Source, str]

_QUEUE_FLOW: Final = ("NumberOfMessagesSent", "NumberOfMessagesDeleted", "ApproximateNumberOfMessagesVisible")
_SOCKETS: Final = ("ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError")
_DATABASE: Final = ("ACUUtilization", "CPUUtilization", "DatabaseConnections", "CommitLatency")
# Pinned: lent to one client until it disconnects. There should be
# none, see "Concurrency against connections".
_LENT: Final = ("DatabaseConnectionsCurrentlyBorrowed", "DatabaseConnectionsCurrentlySessionPinned")


def _each_function(metric: str) -> tuple[Line, ...]:
    return tuple((function(name), metric) for name in FUNCTIONS)


WIDGETS: Final[tuple[tuple[str, str, tuple[Line, ...]], ...]] = (
    ("Orders queue", "Sum", tuple((ORDERS, metric) for metric in _QUEUE_FLOW)),
    ("Age of the oldest order, s", "Maximum", ((ORDERS, "ApproximateAgeOfOldestMessage"),)),
    ("Dead letters", "Maximum", ((DEAD_LETTERS, "ApproximateNumberOfMessagesVisible"),)),
    ("Connections and frames", "Sum", tuple((WEBSOCKET, metric) for metric in _SOCKETS)),
    ("Duration p99, ms", "p99", _each_function("Duration")),
    ("Errors", "Sum", _each_function("Errors")),
    ("Concurrent executions", "Maximum", _each_function("ConcurrentExecutions")),
    ("Throttles", "Sum", _each_function("Throttles")),
    ("Database", "Average", tuple((CLUSTER, metric) for metric in _DATABASE)),
    ("Connections lent by the proxy", "Sum", tuple((PROXY, metric) for metric in _LENT)),
)
_COLUMNS: Final = 3
_WIDTH: Final = 8
_HEIGHT: Final = 6


def dashboard_resource() -> JsonObject:
    """Return the dashboard as a resource of the monitoring template."""
    body = {"widgets": [_widget(index, *row) for index, row in enumerate(WIDGETS)]}
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": filled("orderflow-${Stage}"),
            "DashboardBody": filled(json.dumps(body)),
        },
    }


def _widget(index: int, title: str, statistic: str, lines: tuple[Line, ...]) -> JsonObject:
    row, column = divmod(index, _COLUMNS)
    metrics = [
        [source.namespace, metric, *(part for pair in source.dimensions for part in pair)]
        for source, metric in lines
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
