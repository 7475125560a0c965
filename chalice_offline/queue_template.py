"""SQS queues from a CloudFormation template: the one that is deployed, read for its ``AWS::SQS::Queue``.

Understood: ``Ref`` and ``Fn::Sub`` of parameters, ``Fn::GetAtt`` of another queue's ``Arn``. Anything else
is refused by name, so that a queue is never created differently from how it deploys.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_QUEUE_TYPE: Final = "AWS::SQS::Queue"
_VARIABLE: Final = re.compile(r"\$\{([^}!]+)\}")
# Settings of the queue that are not SQS attributes of the same name.
_NOT_ATTRIBUTES: Final = frozenset({"QueueName", "Tags"})


class QueueTemplateError(ValueError):
    """The template asks for something the local runtime cannot create faithfully."""


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One queue: its logical id in the template, its name, and its attributes as CreateQueue takes them.

    Attributes:
        hidden_s_min: How long a received message stays hidden at least, whatever the queue itself says.
    """

    logical_id: str
    name: str
    attributes: Mapping[str, str]
    hidden_s_min: int = 0


def read_queues(
    template: Mapping[str, Any], parameters: Mapping[str, str], *, region: str, account: str
) -> tuple[QueueSpec, ...]:
    """Return the template's queues, dead-letter targets before the queues that name them.

    Args:
        parameters: Values by parameter name; a parameter that is absent takes its ``Default``.

    Raises:
        QueueTemplateError: A parameter without a value, an unknown function or reference, a circular redrive.
    """
    values = _parameter_values(template, parameters)
    queues = {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template.get("Resources", {}).items()
        if resource.get("Type") == _QUEUE_TYPE
    }
    names = {
        logical_id: _text(properties["QueueName"], values) if "QueueName" in properties else logical_id
        for logical_id, properties in queues.items()
    }
    arns = {logical_id: f"arn:aws:sqs:{region}:{account}:{name}" for logical_id, name in names.items()}
    specs = {
        logical_id: QueueSpec(logical_id, names[logical_id], _attributes(properties, values, arns))
        for logical_id, properties in queues.items()
    }
    return tuple(_targets_first(specs, arns))


def _parameter_values(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, declaration in template.get("Parameters", {}).items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise QueueTemplateError(f"parameter {name} of the queue template has no value")
        values[name] = str(value)
    return values


def _text(value: Any, values: Mapping[str, str]) -> str:
    match value:
        case str():
            return value
        case {"Ref": str(name)} if name in values:
            return values[name]
        case {"Fn::Sub": str(pattern)}:
            return _VARIABLE.sub(lambda found: _text({"Ref": found[1]}, values), pattern)
    raise QueueTemplateError(f"cannot resolve {json.dumps(value)} in the queue template")


def _resolved(value: Any, values: Mapping[str, str], arns: Mapping[str, str]) -> Any:
    match value:
        case {"Fn::GetAtt": [str(logical_id), "Arn"]} if logical_id in arns:
            return arns[logical_id]
        case {"Ref": _} | {"Fn::Sub": _}:
            return _text(value, values)
        case dict() if any(key.startswith("Fn::") for key in value):
            raise QueueTemplateError(f"cannot resolve {json.dumps(value)} in the queue template")
        case dict():
            return {key: _resolved(inner, values, arns) for key, inner in value.items()}
        case list():
            return [_resolved(inner, values, arns) for inner in value]
    return value


def _attributes(
    properties: Mapping[str, Any], values: Mapping[str, str], arns: Mapping[str, str]
) -> dict[str, str]:
    """Return the properties as SQS attributes: text, structures as JSON, booleans in lower case."""
    attributes: dict[str, str] = {}
    for key, value in properties.items():
        if key in _NOT_ATTRIBUTES:
            continue
        resolved = _resolved(value, values, arns)
        attributes[key] = resolved if isinstance(resolved, str) else json.dumps(resolved, sort_keys=True)
    return attributes


def _targets_first(specs: Mapping[str, QueueSpec], arns: Mapping[str, str]) -> list[QueueSpec]:
    ordered: list[QueueSpec] = []
    waiting = dict(specs)
    while waiting:
        free = [
            logical_id
            for logical_id, spec in waiting.items()
            if not any(f'"{arns[other]}"' in spec.attributes.get("RedrivePolicy", "") for other in waiting)
        ]
        if not free:
            raise QueueTemplateError(f"queues redrive to each other in a circle: {', '.join(waiting)}")
        ordered += [waiting.pop(logical_id) for logical_id in free]
    return ordered
