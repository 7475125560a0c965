"""Taking a function's rights away for a while, one action at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.deploy.cloud import Cloud
from infra.deploy.template import ONLY_BESIDE_CHALICE

POLICIES = Path(__file__).parents[2] / "chalice_app" / ".chalice"
TIME_LIMIT_S = 60


@dataclass(frozen=True)
class Right:
    """One action that a function's policy allows, under the statement's name."""

    function: str
    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.function}-{self.sid}-{self.action.partition(':')[2]}"


def rights_in_policies() -> set[Right]:
    """Return every action of every statement of every policy file that packaging leaves in."""
    return {
        Right(path.stem.removeprefix("policy-"), statement["Sid"], action)
        for path in POLICIES.glob("policy-*.json")
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]
        for action in statement["Action"]
        if statement["Sid"] not in ONLY_BESIDE_CHALICE
    }


def right(function: str, sid: str) -> Right:
    """Return the right of a statement that has one action."""
    (found,) = (each for each in rights_in_policies() if (each.function, each.sid) == (function, sid))
    return found


# Every right that a test has taken away in this process.
TAKEN: set[Right] = set()


@contextmanager
def without(cloud: Cloud, taken: Right) -> Iterator[None]:
    """Take the right out of the function's role, and give it back."""
    iam = cloud.client("iam")
    role = role_of(cloud, taken.function).rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    put_policy = _Policy(iam, role, name)
    put_policy({**policy, "Statement": list(_statements_without(policy, taken))})
    TAKEN.add(taken)
    try:
        yield
    finally:
        put_policy(policy)


@dataclass(frozen=True)
class _Policy:
    iam: Any
    role: str
    name: str

    def __call__(self, document: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=self.role, PolicyName=self.name, PolicyDocument=json.dumps(document)
        )


def _statements_without(policy: dict[str, Any], taken: Right) -> Iterator[dict[str, Any]]:
    found = False
    for statement in policy["Statement"]:
        if statement["Sid"] != taken.sid:
            yield statement
            continue
        found = taken.action in statement["Action"]
        # Under MiniStack, sending has a second name.
        left = [action for action in statement["Action"] if not action.startswith(taken.action)]
        if left:
            yield {**statement, "Action": left}
    assert found, f"no statement of the deployed policy allows {taken}"


def role_of(cloud: Cloud, function: str) -> str:
    """Return the ARN of the function's role."""
    configuration = cloud.client("lambda").get_function_configuration(
        FunctionName=f"orderflow-dev-{function}"
    )
    return str(configuration["Role"])


@dataclass(frozen=True)
class Answer:
    """What an invocation gave, and whether the function failed."""

    result: Any
    is_failed: bool


def invoked(cloud: Cloud, function: str, event: dict[str, Any]) -> Answer:
    answer = cloud.client("lambda").invoke(
        FunctionName=f"orderflow-dev-{function}", Payload=json.dumps(event)
    )
    return Answer(json.loads(answer["Payload"].read() or b"null"), "FunctionError" in answer)


def renew_environment(cloud: Cloud, function: str) -> None:
    """Have the next invocation start cold, with no client or login from before."""
    functions, name = cloud.client("lambda"), f"orderflow-dev-{function}"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    environment = {"Variables": {**variables, "COLD_START": uuid4().hex}}
    functions.update_function_configuration(FunctionName=name, Environment=environment, Timeout=TIME_LIMIT_S)


def succeeded(answer: Answer) -> bool:
    return not answer.is_failed


def swept(answer: Answer) -> bool:
    return not answer.is_failed and answer.result["done"]


def finished_all(answer: Answer) -> bool:
    """Return whether a consumer reported no message of its batch as unfinished."""
    return not answer.is_failed and answer.result["batchItemFailures"] == []


def answered_well(answer: Answer) -> bool:
    return not answer.is_failed and answer.result["statusCode"] < 400
