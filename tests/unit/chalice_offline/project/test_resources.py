"""What of a merge template is created, and which variables it answers."""

from typing import Any

import pytest

from chalice_offline.project.resources import (
    answers,
    expression_key,
    expressions,
    own_template,
    stack_name,
)

TABLE = {"Type": "AWS::DynamoDB::Table"}


def test_expressions_are_those_of_the_app_the_stage_and_its_functions() -> None:
    config = {
        "environment_variables": {"A": {"Ref": "X"}, "B": "text"},
        "stages": {
            "dev": {
                "environment_variables": {"C": {"Ref": "X"}},
                "lambda_functions": {"f": {"environment_variables": {"D": {"Fn::GetAtt": ["X", "Arn"]}}}},
            },
            "prod": {"environment_variables": {"E": {"Ref": "Y"}}},
        },
    }
    assert expressions(config, "dev") == [{"Ref": "X"}, {"Fn::GetAtt": ["X", "Arn"]}]


def test_variables_that_are_no_table_say_nothing_as_to_chalice() -> None:
    at_stage = {"environment_variables": {"C": {"Ref": "X"}}}
    config = {"environment_variables": ["A=b"], "stages": {"dev": at_stage}}
    assert expressions(config, "dev") == [{"Ref": "X"}]


@pytest.mark.parametrize(
    "other",
    [
        {"Properties": {"MemorySize": 512}},
        {"Type": "AWS::Lambda::Permission"},
        {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "APIHandler"}}},
        {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": "x-${RestAPI.RootResourceId}"}}},
        {"Type": "AWS::SNS::Topic", "Properties": {"A": [{"Fn::GetAtt": ["APIHandler", "Arn"]}]}},
        {"Type": "AWS::SNS::Topic", "DependsOn": "APIHandler"},
    ],
)
def test_what_is_chalices_or_refers_to_it_is_left_out(other: dict[str, Any]) -> None:
    template = {"Resources": {"Table": TABLE, "Other": other, "Third": {"Type": "T", "P": {"Ref": "Other"}}}}
    own, left_out = own_template(template, [{"Ref": "Table"}, {"Ref": "Other"}])
    assert (own["Resources"], left_out) == ({"Table": TABLE}, ["Other", "Third"])
    assert own["Outputs"] == {"Variable0": {"Value": {"Ref": "Table"}}}


def test_outputs_that_can_be_answered_are_kept_for_scripts_that_read_them() -> None:
    outputs = {"TableName": {"Value": {"Ref": "Table"}}, "Handler": {"Value": {"Ref": "APIHandler"}}}
    own, _ = own_template({"Resources": {"Table": TABLE}, "Outputs": outputs}, [])
    assert own["Outputs"] == {"TableName": {"Value": {"Ref": "Table"}}}


def test_pseudo_parameters_and_parameters_may_be_referred_to() -> None:
    topic = {"Type": "AWS::SNS::Topic", "P": {"Fn::Sub": "${AWS::Region}-${Name}-${!literal}"}}
    own, left_out = own_template({"Parameters": {"Name": {}}, "Resources": {"Topic": topic}}, [])
    assert (own["Resources"], left_out) == ({"Topic": topic}, [])


def test_answers_are_found_by_their_expressions() -> None:
    wanted = [{"Ref": "Table"}, {"Ref": "Other"}]
    assert answers(wanted, {"Variable0": "t-1"}) == {expression_key({"Ref": "Table"}): "t-1"}


@pytest.mark.parametrize(
    ("app_name", "stage", "name"),
    [
        ("chat-room", "dev", "chat-room-dev"),
        ("chat_room", "my_stage", "chat-room-my-stage"),
        ("2048", "dev", "app-2048-dev"),
        ("_own", "dev", "app--own-dev"),
    ],
)
def test_stack_of_an_app_has_a_name_that_cloudformation_takes(app_name: str, stage: str, name: str) -> None:
    assert stack_name(app_name, stage) == name


def test_stack_whose_name_would_be_too_long_is_no_other_stages_and_no_other_apps() -> None:
    whole = stack_name("x" * 124, "dev")
    names = [stack_name(app, stage) for app in ("long" * 40, "long" * 41) for stage in ("dev", "prod")]

    assert (len(whole), whole[-4:]) == (128, "-dev")
    assert {len(name) for name in names} == {128}
    assert len(set(names)) == len(names)
