"""Metrics as CloudWatch reads them from the log."""

import json
import time
from typing import Any

from chalicelib.adapters.embedded_metrics import COUNT, MILLISECONDS, VALUES_MAX, EmbeddedMetrics


def lines_of(metrics: EmbeddedMetrics) -> list[dict[str, Any]]:
    return [json.loads(line) for line in metrics.lines()]


def test_line_names_each_metric_with_its_unit_and_has_its_values() -> None:
    metrics = EmbeddedMetrics(namespace="Orders", service="engine")
    metrics.add("TimeToFinal", MILLISECONDS, [12, 7])
    metrics.add("OrdersConfirmed", COUNT, [2])
    metrics.add("TimeToFinal", MILLISECONDS, [9])
    before_ms = int(time.time() * 1000)
    (line,) = lines_of(metrics)
    assert before_ms <= line["_aws"]["Timestamp"] <= time.time() * 1000
    assert line["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Orders",
            "Dimensions": [["service"]],
            "Metrics": [
                {"Name": "TimeToFinal", "Unit": "Milliseconds"},
                {"Name": "OrdersConfirmed", "Unit": "Count"},
            ],
        }
    ]
    assert (line["service"], line["TimeToFinal"], line["OrdersConfirmed"]) == ("engine", [12, 7, 9], [2])


def test_what_was_written_is_not_written_again() -> None:
    metrics = EmbeddedMetrics(namespace="Orders", service="engine")
    metrics.add("Swept", COUNT, [1])
    assert len(lines_of(metrics)) == 1
    assert lines_of(metrics) == []


def test_more_values_than_a_line_may_have_are_several_lines() -> None:
    metrics = EmbeddedMetrics(namespace="Orders", service="engine")
    metrics.add("TimeToFinal", MILLISECONDS, range(VALUES_MAX + 1))
    metrics.add("Swept", COUNT, [3])
    first, second = lines_of(metrics)
    assert [*first["TimeToFinal"], *second["TimeToFinal"]] == list(range(VALUES_MAX + 1))
    assert first["Swept"] == [3]
    assert "Swept" not in second
    assert second["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "TimeToFinal", "Unit": "Milliseconds"}
    ]
