"""What fails without an alarm is a fault that nobody is told of; and an alarm tells of its own stage."""

import ast
import json
import re
from pathlib import Path

from chalicelib.adapters.observer import PowertoolsObserver
from chalicelib.handlers.authorizer import UnauthenticatedError
from infra.deploy.alarms import ALARMS, alarm_resource
from infra.deploy.defects import (
    AUTHORIZER_ERRORS_METRIC,
    ERROR_LINES_METRIC,
    ERROR_PATTERN,
    defect_filters,
)
from infra.deploy.metrics import ENGINE, FUNCTIONS, function
from infra.deploy.monitoring import monitoring_template
from tests.fakes.orders import VIEWS

ROOT = Path(__file__).parents[4]


def schedules() -> set[str]:
    """Return the functions that run by the clock."""
    tree = ast.parse((ROOT / "chalice_app" / "app.py").read_text(encoding="utf-8"))
    return {
        each.name
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef)
        and any("app.schedule" in ast.unparse(one) for one in each.decorator_list)
    }


def every_s(name: str) -> int:
    """Return how often a function runs by the clock."""
    source = (ROOT / "chalice_app" / "app.py").read_text(encoding="utf-8")
    found = re.search(rf"Rate\((\d+), unit=Rate.MINUTES\).*\ndef {name}\(", source)
    assert found
    return 60 * int(found[1])


def time_out_s(name: str) -> int:
    settings = json.loads((ROOT / "chalice_app" / ".chalice" / "config.json").read_text(encoding="utf-8"))
    return int(settings["lambda_functions"][name]["lambda_timeout"])


def test_every_schedule_that_does_not_run_rings() -> None:
    watched = {
        dict(alarm.source.dimensions)["FunctionName"].rpartition("-")[2]
        for alarm in ALARMS
        if alarm.metric == "Invocations" and alarm.rings_below
    }
    assert watched == schedules() != set()


def test_alarm_on_a_schedule_that_fails_still_looks_at_the_run_when_it_ends() -> None:
    """Lambda tells of a run when it has ended, under the minute in which it began.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html
    """
    watched = set()
    for alarm in ALARMS:
        name = dict(alarm.source.dimensions).get("FunctionName", "").rpartition("-")[2]
        if alarm.metric != "Errors" or name not in schedules():
            continue
        watched.add(name)
        runs = alarm.bad if alarm.of > 1 else alarm.threshold + 1
        looked_at_s = alarm.of * alarm.period_s
        assert (runs - 1) * every_s(name) + time_out_s(name) <= looked_at_s, alarm.name
    assert watched == schedules()


def test_every_counter_of_what_is_put_off_or_missing_rings() -> None:
    counted = set[str]()
    for path in (ROOT / "chalicelib").rglob("*.py"):
        counted |= set(re.findall(r"observer\.count\(\"(\w+)\"", path.read_text(encoding="utf-8")))
    # Each of which writes a line that rings, too.
    counted.remove("DeadLettersResolved")
    assert (
        counted == {alarm.metric for alarm in ALARMS if alarm.source == ENGINE and not alarm.beside} != set()
    )


def test_what_the_functions_count_is_counted_for_their_own_stage(capsys: object) -> None:
    observer = PowertoolsObserver(VIEWS.routes, "dev")
    observer.count("MatchesPutOff")
    observer.flush()
    (line,) = capsys.readouterr().out.splitlines()  # type: ignore[attr-defined]
    (told,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert told["Namespace"] == ENGINE.namespace.replace("${Stage}", "dev")
    assert told["Dimensions"] == [[name for name, _ in ENGINE.dimensions]]


def test_more_orders_that_fail_than_are_confirmed_ring() -> None:
    (alarm,) = (alarm for alarm in ALARMS if alarm.name == "OrdersFailing")
    resource = alarm_resource(alarm)
    assert resource["Condition"] in monitoring_template()["Conditions"]
    made = resource["Properties"]
    assert "MetricName" not in made
    asked = {each["Id"]: each for each in made["Metrics"]}
    assert [asked[name]["MetricStat"]["Metric"]["MetricName"] for name in ("bad", "good")] == [
        "OrdersFailed",
        "OrdersConfirmed",
    ]
    assert [each["ReturnData"] for each in made["Metrics"]] == [True, False, False]
    assert asked["rings"]["Expression"] == "IF(bad > 20 AND bad > good, 1, 0)"
    assert (made["Threshold"], made["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_every_error_that_is_logged_rings_where_it_is_no_defect() -> None:
    (alarm,) = (alarm_resource(each)["Properties"] for each in ALARMS if each.metric == ERROR_LINES_METRIC)
    # Lambda's own lines of exceptions have an `errorMessage` instead, of a refused token too.
    assert ERROR_PATTERN == '{ $.level = "ERROR" && $.message = "*" && $.message != "defect" }'
    counted = [
        each["Properties"]
        for each in defect_filters().values()
        if each["Properties"]["FilterPattern"] == ERROR_PATTERN
    ]
    assert [each["LogGroupName"]["Fn::Sub"].rpartition("${Stage}-")[2] for each in counted] == list(FUNCTIONS)
    for each in counted:
        (one,) = each["MetricTransformations"]
        assert (one["MetricNamespace"], one["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])


def test_token_that_is_refused_rings_no_alarm_though_the_authorizer_raises_for_it() -> None:
    source = function("websocket_authorizer")
    assert not [each for each in ALARMS if (each.source, each.metric) == (source, "Errors")]
    (alarm,) = (alarm_resource(each)["Properties"] for each in ALARMS if each.name == "AuthorizerErrors")
    (counted,) = (
        each["Properties"]
        for each in defect_filters().values()
        if each["Properties"]["MetricTransformations"][0]["MetricName"] == alarm["MetricName"]
    )
    assert counted["LogGroupName"]["Fn::Sub"] == "/aws/lambda/orderflow-${Stage}-websocket_authorizer"
    assert counted["MetricTransformations"][0]["MetricNamespace"] == alarm["Namespace"]
    assert (
        f'$.errorType = "*" && $.errorType != "{UnauthenticatedError.__name__}"' in counted["FilterPattern"]
    )


def test_authorizer_that_is_killed_rings_though_it_says_nothing_itself() -> None:
    # Its report has the status of any exception, also of a token that is refused, and the runtime's error.
    pattern = defect_filters()[f"{AUTHORIZER_ERRORS_METRIC}Filter"]["Properties"]["FilterPattern"]
    assert '|| $.record.errorType = "Runtime.*"' in pattern
    assert '$.record.status = "error"' not in pattern
