"""A defect that a function logs rings an alarm, although no function fails for it."""

import ast
from pathlib import Path

from infra.deploy.alarms import ALARMS, alarm_resource
from infra.deploy.defects import DEFECT_PATTERN, DEFECTS_METRIC, defect_filters
from infra.deploy.metrics import FUNCTIONS

ENGINE = Path(__file__).parents[4] / "chalicelib"


def test_log_of_every_function_is_counted_where_the_alarm_looks() -> None:
    (alarm,) = (alarm_resource(each)["Properties"] for each in ALARMS if each.metric == DEFECTS_METRIC)
    every = [each["Properties"] for each in defect_filters().values()]
    filters = [each for each in every if each["FilterPattern"] == DEFECT_PATTERN]
    assert [each["LogGroupName"]["Fn::Sub"].rpartition("${Stage}-")[2] for each in filters] == list(FUNCTIONS)
    for each in filters:
        (counted,) = each["MetricTransformations"]
        assert (counted["MetricNamespace"], counted["MetricName"]) == (
            alarm["Namespace"],
            alarm["MetricName"],
        )


def test_pattern_is_the_message_under_which_tracebacks_of_defects_are_logged() -> None:
    messages = {
        call.args[0].value
        for path in ENGINE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and any(keyword.arg == "doing" for keyword in call.keywords)
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert messages == {"defect"}
    assert DEFECT_PATTERN == '{ $.message = "defect" }'
