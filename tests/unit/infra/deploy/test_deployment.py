"""Taking a stage down loses no order, also none that is accepted meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.cloud import Cloud, Target
from infra.deploy.deployment import Deployment, QueueNotEmptyError

QUEUES = "orderflow-dev-queues"
APP = "orderflow-dev-app"
DATABASE = "orderflow-dev-given-database"


class Account:
    """An account with a stage whose clients submit orders for as long as they are let in."""

    def __init__(self) -> None:
        self.stacks = {APP, DATABASE, QUEUES}
        self.waiting = 0

    def client(self, *_: object, **__: object) -> "Account":
        return self

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        name = asked["StackName"]
        if name not in self.stacks:
            raise ClientError({"Error": {"Message": f"{name} does not exist"}}, "DescribeStacks")
        outputs = [{"OutputKey": "OrdersQueueUrl", "OutputValue": "orders"}]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "StackId": name, "Outputs": outputs}]}

    def delete_stack(self, **asked: str) -> None:
        self.stacks.remove(asked["StackName"])
        if asked["StackName"] == APP:
            self.waiting += 1

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.waiting)}}


def a_deployment(account: Account) -> Deployment:
    cloud = Cloud(Target.MINISTACK, account, "http://127.0.0.1:4566")
    return Deployment(cloud, "dev", {}, app_dir=Path("chalice_app"), say=lambda _: None)


def test_queue_that_took_an_order_while_its_stage_was_taken_down_stays_with_the_record() -> None:
    account = Account()
    with pytest.raises(QueueNotEmptyError, match="1 messages in orders"):
        a_deployment(account).destroy(loses_messages=False)
    assert account.stacks == {DATABASE, QUEUES}


def test_queue_goes_with_its_messages_where_that_is_wanted() -> None:
    account = Account()
    a_deployment(account).destroy(loses_messages=True)
    assert account.stacks == set()
