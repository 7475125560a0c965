"""The authorizer's answers, which API Gateway turns into 101, 401 and 403."""

from typing import Any

import pytest

from chalicelib.handlers.authorizer import UnauthenticatedError, authorize
from tests.security.tokens import token
from tests.unit.handlers.conftest import Wired

ARN = "arn:aws:execute-api:us-east-1:000000000000:api/dev/$connect"


@pytest.fixture(autouse=True)
def _wired(wired: Wired) -> None:
    del wired


def authorized(shown: str, **query: str) -> Any:
    return authorize({"methodArn": ARN, "headers": {}, "queryStringParameters": {"token": shown, **query}})


def effect(policy: Any) -> str:
    (statement,) = policy["policyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", ARN)
    return str(statement["Effect"])


def test_good_token_lets_its_account_in_until_it_expires() -> None:
    policy = authorized(token(exp=2_000_000_000))
    assert (policy["principalId"], effect(policy)) == ("alice", "Allow")
    assert policy["context"] == {"expiresAt": 2_000_000_005}  # with the leeway


def test_token_of_no_account_is_kept_out_by_policy_and_named_nowhere() -> None:
    policy = authorized(token(sub="two words"))
    assert (policy["principalId"], effect(policy), policy["context"]) == ("-", "Deny", {})


@pytest.mark.parametrize("shown", ["", "x.y.z", token(aud="other")])
def test_bad_token_is_the_one_message_that_means_401(shown: str) -> None:
    with pytest.raises(UnauthenticatedError, match=r"^Unauthorized$") as refused:
        authorized(shown)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(("asked", "noted"), [("1", True), ("0", False), ("yes", False)])
def test_wish_for_batches_goes_with_the_connection(asked: str, *, noted: bool) -> None:
    assert (authorized(token(), batch=asked)["context"].get("batch") == "1") is noted


def test_handshake_without_a_query_shows_its_token_in_a_header() -> None:
    shown = {"Authorization": f"Bearer {token()}"}
    policy = authorize({"methodArn": ARN, "headers": shown, "queryStringParameters": None})
    assert (policy["principalId"], "batch" in policy["context"]) == ("alice", False)
