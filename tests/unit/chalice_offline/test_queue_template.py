"""Queues read from a CloudFormation template."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalice_offline.queue_template import QueueTemplateError, read_queues

QUEUES = Path(__file__).parents[3] / "infra" / "deploy" / "queues.json"


def read(resources: dict[str, Any], **parameters: str) -> list[tuple[str, dict[str, str]]]:
    template = {"Parameters": {"Stage": {"Type": "String"}}, "Resources": resources}
    queues = read_queues(template, {"Stage": "dev", **parameters}, region="us-east-1", account="1")
    return [(queue.name, dict(queue.attributes)) for queue in queues]


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def test_our_template_gives_dead_letter_queue_first_and_redrive_to_it() -> None:
    template = json.loads(QUEUES.read_text())
    dead_letters, orders = read_queues(
        template, {"Stage": "local"}, region="us-east-1", account="000000000000"
    )
    assert (dead_letters.name, orders.name) == ("orderflow-local-orders-dlq", "orderflow-local-orders")
    assert json.loads(orders.attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:orderflow-local-orders-dlq",
        "maxReceiveCount": 40,
    }
    assert int(dead_letters.attributes["MessageRetentionPeriod"]) > int(
        orders.attributes["MessageRetentionPeriod"]
    )


def test_parameters_are_substituted_and_attributes_are_text() -> None:
    resources = {
        "Q": queue(QueueName={"Fn::Sub": "q-${Stage}"}, VisibilityTimeout=60, SqsManagedSseEnabled=True)
    }
    assert read(resources) == [("q-dev", {"VisibilityTimeout": "60", "SqsManagedSseEnabled": "true"})]


def test_queue_without_a_name_takes_its_logical_id_and_other_resources_are_ignored() -> None:
    assert read({"Q": {"Type": "AWS::SQS::Queue"}, "T": {"Type": "AWS::SNS::Topic"}}) == [("Q", {})]


@pytest.mark.parametrize(
    "properties",
    [
        {"QueueName": {"Ref": "Unknown"}},
        {"QueueName": {"Fn::Sub": "${AWS::StackName}-q"}},
        {"QueueName": {"Fn::Join": ["-", ["a"]]}},
        {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Missing", "Arn"]}}},
        {"KmsMasterKeyId": {"Fn::ImportValue": "key"}},
    ],
)
def test_what_cannot_be_resolved_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(QueueTemplateError):
        read({"Q": queue(**properties)})


def test_parameter_without_value_is_refused_by_name() -> None:
    template = {"Parameters": {"Team": {"Type": "String"}}, "Resources": {}}
    with pytest.raises(QueueTemplateError, match="Team"):
        read_queues(template, {}, region="us-east-1", account="1")


def test_queues_that_redrive_to_each_other_are_refused() -> None:
    def redrive(target: str) -> dict[str, Any]:
        return queue(
            RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": [target, "Arn"]}, "maxReceiveCount": 1}
        )

    with pytest.raises(QueueTemplateError, match="circle"):
        read({"A": redrive("B"), "B": redrive("A")})
