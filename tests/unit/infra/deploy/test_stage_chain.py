"""Which chain a stage may come to, by what is there of it and what that was deployed with."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.config import ConfigurationError
from infra.deploy.cloud import Target
from infra.deploy.cloudformation import CloudFormation
from infra.deploy.stage_chain import keep_chain

SIMULATED = {"Chain": "simulated"}
DEVNET = {"Chain": "solana", "SolanaCluster": "devnet"}
MAINNET = {"Chain": "solana", "SolanaCluster": "mainnet"}
OURS = [{"Key": "application", "Value": "orderflow"}]


class Account:
    """CloudFormation of an account with some stacks of a stage, by their kinds."""

    def __init__(self, stacks: dict[str, dict[str, str]]) -> None:
        self._stacks = stacks

    def describe_stacks(self, **asked: str) -> dict[str, Any]:
        kind = asked["StackName"].removeprefix("orderflow-dev-")
        if kind not in self._stacks:
            raise ClientError({"Error": {"Message": "it does not exist"}}, "DescribeStacks")
        given = self._stacks[kind].items()
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Tags": OURS, "Parameters": parameters}]}


def may_come(
    stacks: dict[str, dict[str, str]], after: dict[str, str], *, enters_mainnet: bool = False
) -> bool:
    cloudformation = CloudFormation(Account(stacks), poll_s=0)
    try:
        keep_chain(cloudformation, Target.AWS, "dev", after, enters_mainnet=enters_mainnet)
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("after", [SIMULATED, DEVNET, MAINNET])
def test_new_stage_comes_to_any_chain(after: dict[str, str]) -> None:
    assert may_come({}, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [(DEVNET, SIMULATED), (MAINNET, SIMULATED), (MAINNET, DEVNET), (SIMULATED, MAINNET), (DEVNET, MAINNET)],
)
def test_orders_of_a_stage_come_to_no_chain_that_they_were_not_meant_for(
    before: dict[str, str], after: dict[str, str]
) -> None:
    assert not may_come({"app": before}, after)
    assert may_come({"app": before}, after, enters_mainnet=True) == (after is MAINNET)


@pytest.mark.parametrize("chain", [SIMULATED, DEVNET, MAINNET])
def test_stage_stays_where_it_is(chain: dict[str, str]) -> None:
    assert may_come({"app": chain, "migration": chain}, chain)


def test_functions_tell_what_a_stage_trades_on_though_it_was_prepared_for_another_chain() -> None:
    # A deployment that failed in between.
    assert may_come({"app": SIMULATED, "migration": DEVNET, "solana-nodes": {}}, SIMULATED)
    assert not may_come({"app": SIMULATED, "migration": MAINNET}, MAINNET)


@pytest.mark.parametrize("before", [SIMULATED, DEVNET])
def test_orders_that_wait_for_functions_to_come_back_are_not_executed_on_mainnet_unless_told(
    before: dict[str, str],
) -> None:
    assert not may_come({"migration": before}, MAINNET)
    assert may_come({"migration": before}, MAINNET, enters_mainnet=True)


def test_stage_without_functions_stays_on_solana() -> None:
    assert not may_come({"solana-nodes": {}}, SIMULATED)
