"""Counting the defects that functions log, since no function fails for one: a filter for each log. Pure."""

from typing import Final

from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import DEFECTS, FUNCTIONS, filled

DEFECTS_METRIC: Final = "Defects"
DEFECT_PATTERN: Final = '{ $.message = "defect" }'
"""The lines that ``chalicelib`` writes with a traceback, whatever they say besides."""


def defect_filters() -> dict[str, JsonObject]:
    """Return the filters as resources of the monitoring template, by logical id."""
    return {f"Defects{name.title().replace('_', '')}": _filter(name) for name in FUNCTIONS}


def _filter(function: str) -> JsonObject:
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "LogGroupName": filled(f"/aws/lambda/orderflow-${{Stage}}-{function}"),
            "FilterPattern": DEFECT_PATTERN,
            "MetricTransformations": [
                {
                    "MetricName": DEFECTS_METRIC,
                    "MetricNamespace": filled(DEFECTS.namespace),
                    "MetricValue": "1",
                }
            ],
        },
    }
