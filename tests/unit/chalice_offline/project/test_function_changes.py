"""What a merge template changes in Chalice's own functions."""

from typing import Any

import pytest

from chalice_offline.project.function_changes import FunctionChanges
from chalice_offline.project.functions import FunctionSpec
from chalice_offline.project.inspection import ProjectError
from chalice_offline.project.resources import expression_key

TABLE = {"Ref": "Table"}
ANSWERS = {expression_key(TABLE): "table-1"}


def spec(name: str = "websocket_message") -> FunctionSpec:
    return FunctionSpec(
        name=name, handler="app.x", timeout_s=60, memory_mb=128, environment={"A": "config", "B": "config"}
    )


def changes(resources: dict[str, Any], **more: Any) -> FunctionChanges:
    return FunctionChanges.of({"Resources": resources, **more})


def variables(**values: Any) -> dict[str, Any]:
    return {"Properties": {"Environment": {"Variables": values}}}


@pytest.mark.parametrize(
    ("function", "logical_id"),
    [
        ("websocket_message", "WebsocketMessage"),
        ("api_handler", "APIHandler"),
        ("on-stock_low", "OnStockLow"),
    ],
)
def test_variables_are_added_to_the_function_of_that_id(function: str, logical_id: str) -> None:
    found = changes({logical_id: variables(A=TABLE, N=5), "Other": variables(B="other's")})
    assert found.applied(spec(function), ANSWERS).environment == {"A": "table-1", "B": "config", "N": "5"}
    assert found.expressions() == [TABLE]
    assert found.variables({}) == {"N": "5", "B": "other's"}


def test_settings_of_one_function_come_before_those_of_all() -> None:
    shared = {"Function": {"Timeout": 7, "MemorySize": 512}}
    own = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Timeout": 9, "ReservedConcurrentExecutions": 2},
    }
    changed = changes({"WebsocketMessage": own}, Globals=shared).applied(spec(), {})
    assert (changed.timeout_s, changed.memory_mb, changed.reserved_concurrency) == (9, 512, 2)


def test_what_is_no_function_or_changes_nothing_that_is_emulated_is_none_of_it() -> None:
    others = {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"Timeout": 1}},
        "RestAPI": {"Properties": {"MinimumCompressionSize": 0}},
        "APIHandler": {"Properties": {"Tracing": "Active"}},
    }
    assert changes(others) == FunctionChanges()


def test_variable_that_nothing_answers_is_refused_by_its_name() -> None:
    with pytest.raises(ProjectError, match="WebsocketMessage: A: nothing answers"):
        changes({"WebsocketMessage": variables(A=TABLE)}).applied(spec(), {})
