"""What becomes of a packaged template before it is deployed:
names, log groups and policies of one stage. Pure.

``chalice package --merge-template`` merges what is written by hand (``templates/app.yaml``); here is what has
to be done to each function alike, so that it is not repeated nine times and forgotten for the tenth.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.deploy.json_types import JsonObject

_FUNCTION: Final = "AWS::Serverless::Function"
_ROLE: Final = "AWS::IAM::Role"
_LOG_GROUP: Final = "AWS::Logs::LogGroup"

# Policy files serve every stage, account and region; a deployed policy serves one of each.
_PINS: Final = (
    (re.compile(r"^([^:]+:[^:]+:[^:]+):\*:\*:"), r"\1:${AWS::Region}:${AWS::AccountId}:"),
    (re.compile(r"^arn:aws:"), "arn:${AWS::Partition}:"),
    (re.compile(r"orderflow([-/])\*([-/])"), r"orderflow\1${Stage}\2"),
    # A bucket's ARN has neither account nor region: its name has.
    (re.compile(r"-archive-\*/"), "-archive-${AWS::AccountId}-${AWS::Region}/"),
    (re.compile(r":\*/\*/(?=POST/|DELETE/)"), ":${WebsocketAPI}/ws/"),
)

# Of a bucket, whose ARN does not say whose it is.
_OWN_ACCOUNT: Final = {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}
_THIS_ACCOUNT: Final = {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}

_SAID_ONCE: Final = frozenset({"Architectures", "CodeUri", "Runtime", "Tags", "Tracing"})

# What a function needs only after `chalice deploy`, which gives it no queue's URL, and the REST function
# another name. Here all of that is known.
ONLY_BESIDE_CHALICE: Final = frozenset({"FindQueues", "WriteItsLogUnderChalicesName"})

# What a function in a VPC needs, and nothing else: AWS's managed policy for network interfaces.
_VPC_POLICY: Final = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"


class TemplateError(ValueError):
    """The packaged template is not what Chalice is known to make."""


def finished(packaged: Mapping[str, Any]) -> JsonObject:
    """Return the template to deploy.

    Functions get the names that ``chalice deploy`` would give them, so that policies and alarms
    can name them before they exist. Log groups take those names literally: Chalice's reference to
    the REST handler's function is broken, and a group that waits for its function may lose the
    race against the function's first line.

    Raises:
        TemplateError: A function without a role of its own.
    """
    template: JsonObject = copy.deepcopy(dict(packaged))
    resources = template["Resources"]
    for logical_id, function in _of_type(resources, _FUNCTION):
        properties = function["Properties"]
        role_id = properties["Role"]["Fn::GetAtt"][0]
        if role_id == "DefaultRole":
            raise TemplateError(f"{logical_id} has no policy file: name one in .chalice/config.json")
        name = _function_name(role_id)
        properties["FunctionName"] = {"Fn::Sub": f"orderflow-${{Stage}}-{name}"}
        log_group = f"{role_id.removesuffix('Role')}LogGroup"
        function["DependsOn"] = [*function.get("DependsOn", ()), log_group]
    for logical_id, group in _of_type(resources, _LOG_GROUP):
        name = _snake_case(logical_id.removesuffix("LogGroup"))
        group["Properties"]["LogGroupName"] = {"Fn::Sub": f"/aws/lambda/orderflow-${{Stage}}-{name}"}
    for _, role in _of_type(resources, _ROLE):
        _pin(role["Properties"])
    _say_once(template)
    return template


def _say_once(template: JsonObject) -> None:
    """Move into the globals what all functions say alike, such as variables that a stage's ``config.json``
    adds: said ten times, a handful of them is more than CloudFormation takes of a template.

    A variable that the merged template's globals say, by parameters, is not taken from there.
    """
    shared = template["Globals"]["Function"]
    functions = [function["Properties"] for function in functions_of(template).values()]
    for name, value in _alike(functions).items():
        if name in _SAID_ONCE:
            shared[name] = value
            for own in functions:
                del own[name]
    added = [own.pop("Environment", {}).get("Variables", {}) for own in functions]
    stated = {**_alike(added), **shared["Environment"]["Variables"]}
    shared["Environment"] = {"Variables": stated}
    for own, variables in zip(functions, added, strict=True):
        if more := {name: value for name, value in variables.items() if name not in stated}:
            own["Environment"] = {"Variables": more}


def _alike(several: Sequence[JsonObject]) -> JsonObject:
    """Return the members that all have, and with the same value."""
    first, *others = several
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}


def functions_of(template: Mapping[str, Any]) -> dict[str, JsonObject]:
    """Return the template's functions by logical id."""
    return dict(_of_type(template["Resources"], _FUNCTION))


def _of_type(resources: Mapping[str, JsonObject], kind: str) -> Iterator[tuple[str, JsonObject]]:
    return ((logical_id, resource) for logical_id, resource in resources.items() if resource["Type"] == kind)


def _function_name(role_id: str) -> str:
    return _snake_case(role_id.removesuffix("Role"))


def _snake_case(logical_id: str) -> str:
    """Return the name in Python that Chalice made the logical id from."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id).lower()


def _pin(role: JsonObject) -> None:
    for policy in role["Policies"]:
        document = policy["PolicyDocument"]
        document["Statement"] = [
            each for each in document["Statement"] if each["Sid"] not in ONLY_BESIDE_CHALICE
        ]
        for statement in document["Statement"]:
            statement["Resource"] = {"Fn::Sub": pinned(statement["Resource"])}
            if statement.get("Condition") == _OWN_ACCOUNT:
                statement["Condition"] = _THIS_ACCOUNT
    role["ManagedPolicyArns"] = {
        "Fn::If": ["InVpc", [{"Fn::Sub": _VPC_POLICY}], {"Ref": "AWS::NoValue"}],
    }


def pinned(resource: str) -> str:
    """Return a policy file's ARN narrowed to the stack's partition, region, account, stage and API."""
    for pattern, replacement in _PINS:
        resource = pattern.sub(replacement, resource)
    return resource
