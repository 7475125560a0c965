"""Counting the errors that functions log, since no function fails for one: filters for each log. Pure."""

from typing import Final

from infra.deploy.json_types import JsonObject
from infra.deploy.metrics import DEFECTS, FUNCTIONS, filled

DEFECTS_METRIC: Final = "Defects"
DEFECT_PATTERN: Final = '{ $.message = "defect" }'
"""The lines that ``chalicelib`` writes with a traceback, whatever they say besides."""

ERROR_LINES_METRIC: Final = "ErrorLines"
ERROR_PATTERN: Final = '{ $.level = "ERROR" && $.message = "*" && $.message != "defect" }'
"""The other lines of that level: what an operator has to look at, and no defect of ours. Lambda's own lines
of exceptions have no message: they are what its `Errors` count.
"""

AUTHORIZER: Final = "websocket_authorizer"
AUTHORIZER_ERRORS_METRIC: Final = "AuthorizerErrors"
AUTHORIZER_ERROR_PATTERN: Final = (
    '{ ($.errorType = "*" && $.errorType != "UnauthenticatedError")'
    ' || $.record.status = "timeout" || $.record.status = "failure" || $.record.errorType = "Runtime.*" }'
)
"""How an authorizer fails but for a token that it refuses. To say so it has to raise an exception, and any
client could ring an alarm on its `Errors`
(https://github.com/awslabs/aws-apigateway-lambda-authorizer-blueprints/issues/21). One that is killed, as for
its memory, writes no line of its own: Lambda's report has the status of an exception then, ``error``.
"""

_COUNTED: Final = {DEFECTS_METRIC: DEFECT_PATTERN, ERROR_LINES_METRIC: ERROR_PATTERN}


def defect_filters() -> dict[str, JsonObject]:
    """Return the filters as resources of the monitoring template, by logical id."""
    return {
        f"{metric}{name.title().replace('_', '')}": _filter(name, metric, pattern)
        for metric, pattern in _COUNTED.items()
        for name in FUNCTIONS
    } | {
        f"{AUTHORIZER_ERRORS_METRIC}Filter": _filter(
            AUTHORIZER, AUTHORIZER_ERRORS_METRIC, AUTHORIZER_ERROR_PATTERN
        )
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
