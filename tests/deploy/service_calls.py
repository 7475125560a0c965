"""What AWS's services do in a function's name, done with the keys of the function's role."""

import time
from typing import Any
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError

from tests.deploy.rights import Right, rights_in_policies, role_of
from tests.deploy.stage import Stage

CONSUMED = {"execute_orders": "OrdersQueueUrl", "settle_dead_letters": "OrdersDeadLetterQueueUrl"}
BY_SERVICES = sorted(
    (each for each in rights_in_policies() if each.sid == "WriteItsLog" or each.sid.startswith("Consume")),
    key=str,
)


def session_of(stage: Stage, function: str) -> boto3.Session:
    """Return a session with keys of the function's role, as a service gets them."""
    assumed = stage.cloud.client("sts").assume_role(
        RoleArn=role_of(stage.cloud, function), RoleSessionName="service"
    )
    keys = assumed["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")


def is_denied(stage: Stage, asked: Right, session: boto3.Session) -> bool:
    """Make the call that the right is for, whatever comes of it; return whether the role may not make it."""
    service, _, operation = asked.action.partition(":")
    client: Any = session.client(service, endpoint_url=stage.cloud.endpoint)
    log = {"logGroupName": f"/aws/lambda/orderflow-dev-{asked.function}"}
    queue = {"QueueUrl": stage.outputs[CONSUMED.get(asked.function, "OrdersQueueUrl")]}
    try:
        match operation:
            case "CreateLogStream":
                client.create_log_stream(**log, logStreamName=uuid4().hex)
            case "PutLogEvents":
                now = {"timestamp": time.time_ns() // 1_000_000, "message": "x"}
                client.put_log_events(**log, logStreamName="x", logEvents=[now])
            case "ReceiveMessage":
                client.receive_message(**queue, WaitTimeSeconds=0, VisibilityTimeout=0)
            case "DeleteMessage":
                client.delete_message(**queue, ReceiptHandle="x")
            case "GetQueueAttributes":
                client.get_queue_attributes(**queue)
    except ClientError as error:
        return "AccessDenied" in error.response["Error"]["Code"]
    return False
