"""``orderflow queues`` and ``orderflow dead-letters`` on the queues of a running instance."""

import json
from pathlib import Path

from click.testing import CliRunner

from chalice_offline.aws_client import local_client
from infra.cli.orderflow import orderflow
from tests.support.instance import Instance

NO_AWS = dict.fromkeys(
    (
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "DATABASE_URL",
    )
)


def test_dead_letters_are_sent_back_to_the_orders_queue(instance: Instance) -> None:
    status = instance.status()
    sqs = local_client("sqs", status["sqs_endpoint"], status["aws"])
    # Of a stage that has no consumer, which would take them away.
    orders, dead = (
        sqs.create_queue(QueueName=f"orderflow-idle-{name}")["QueueUrl"] for name in ("orders", "orders-dlq")
    )
    for number in range(12):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number), MessageGroupId="alice")
    environment = {**NO_AWS, "ORDERFLOW_HOME": str(instance.state_dir)}

    done = CliRunner().invoke(
        orderflow, ["--json", "dead-letters", "redrive", "--yes", "--stage", "idle"], env=environment
    )
    shown = CliRunner().invoke(orderflow, ["--json", "queues", "--stage", "idle"], env=environment)

    assert json.loads(done.stdout) == {"status": "COMPLETED", "moved": 12}
    assert {name: each["waiting"] for name, each in json.loads(shown.stdout).items()} == {
        "orderflow-idle-orders": 12,
        "orderflow-idle-orders-dlq": 0,
    }
    received = sqs.receive_message(QueueUrl=orders, AttributeNames=["All"])["Messages"][0]
    assert received["Attributes"]["MessageGroupId"] == "alice"


def test_queues_that_a_shell_names_and_that_are_not_there_are_told_in_a_sentence() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": "nowhere"}
    for environment, told in (
        (keys, "Error: You must specify a region."),
        ({"AWS_PROFILE": "none", "AWS_CONFIG_FILE": "nowhere"}, "profile (none) could not be found"),
        (
            {**keys, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "nonsense"},
            "Error: Invalid endpoint: nonsense",
        ),
        ({"ORDERFLOW_HOME": "nowhere"}, "which queues?"),
    ):
        refused = CliRunner().invoke(orderflow, ["queues"], env={**NO_AWS, **environment})
        assert (refused.exit_code, told in refused.stderr) == (1, True), refused.stderr


def test_stage_on_aws_is_asked_with_whatever_keys_the_shell_has_and_needs_no_variable_of_them(
    tmp_path: Path,
) -> None:
    # As in CloudShell, which has its keys from a service of its own.
    keys = tmp_path / "credentials"
    keys.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    shell = {
        "ORDERFLOW_HOME": str(tmp_path),
        "STAGE": "dev",
        "AWS_REGION": "eu-west-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(keys),
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    asked = CliRunner().invoke(orderflow, ["queues"], env={**NO_AWS, **shell})
    assert "orderflow-dev-orders: SQS does not answer: Could not connect" in asked.stderr
