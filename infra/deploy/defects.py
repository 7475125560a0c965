"""Counting the errors that functions log, since no function fails for one: filters for each log. Pure."""

from typing import Final

from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import DEFECTS, FUNCTIONS, filled

DEFECTS_METRIC: Final = "Defects"
DEFECT_PATTERN: Final = '{ $.message = "defect" }'
"""The lines that ``chalicelib`` writes with a traceback, whatever they say besides."""

ERROR_LINES_METRIC: Final = "ErrorLines"
ERROR_PATTERN: Final = '{ $.level = "ERROR" && $.message != "defect" }'
"""The other lines of that level: what an operator has to look at, and no defect of ours."""

_COUNTED: Final = {DEFECTS_METRIC: DEFECT_PATTERN, ERROR_LINES_METRIC: ERROR_PATTERN}


def defect_filters() -> dict[str, JsonObject]:
    """Return the filters as resources of the monitoring template, by logical id."""
    return {
        f"{metric}{name.title().replace('_', '')}": _filter(name, metric, pattern)
        for metric, pattern in _COUNTED.items()
        for name in FUNCTIONS
    }


def _filter(function: str, metric: str, pattern: str) -> JsonObject:
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "LogGroupName": filled(f"/aws/lambda/orderflow-${{Stage}}-{function}"),
            "FilterPattern": pattern,
            "MetricTransformations": [
                {
                    "MetricName": metric,
                    "MetricNamespace": filled(DEFECTS.namespace),
                    "MetricValue": "1",
                }
            ],
        },
    }
