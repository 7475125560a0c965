"""``resources.json``: the template that ``chalice package --merge-template`` adds to an app's own resources.

What it creates by itself is created here as well; what changes Chalice's resources, or refers to them, is
not: they are no stack here. Variables in ``config.json`` may be expressions of CloudFormation
(``{"Ref": "Table"}``).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

# Chalice's own kinds, which the runtime has in its own way.
_CHALICE_OWNS: Final = ("AWS::Serverless::", "AWS::Lambda::", "AWS::ApiGateway")
_OUTPUT: Final = "Variable"
_STACK_NAME_MAX: Final = 128


def expression_key(expression: Any) -> str:
    """Return what an expression is known by between this and ``describe.py``, which does the same."""
    return json.dumps(expression, sort_keys=True)


def expressions(config: Mapping[str, Any], stage: str, more: Iterable[Any] = ()) -> list[Any]:
    """Return the variables of a stage whose values are expressions, with ``more`` of them, each once."""
    at_stage = config.get("stages", {}).get(stage, {})
    places = [config, at_stage]
    places += [function for place in places[:2] for function in place.get("lambda_functions", {}).values()]
    variables = [place.get("environment_variables") for place in places]
    # Anything but a table says nothing, as to Chalice.
    values = [value for each in variables if isinstance(each, dict) for value in each.values()]
    found = {expression_key(value): value for value in (*values, *more) if isinstance(value, dict)}
    return list(found.values())


def own_template(template: Mapping[str, Any], wanted: list[Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the template of what can be created without Chalice's resources,
    with its own outputs and one for each expression that it can answer, and the ids that were left out.
    """
    everything: Mapping[str, Any] = template.get("Resources", {})
    kept = {
        name: resource
        for name, resource in everything.items()
        if "Type" in resource and not resource["Type"].startswith(_CHALICE_OWNS)
    }
    known = set(template.get("Parameters", {}))
    while lacking := [name for name, each in kept.items() if not _is_known(each, known | set(kept))]:
        for name in lacking:
            del kept[name]
    outputs = {
        f"{_OUTPUT}{number}": {"Value": expression}
        for number, expression in enumerate(wanted)
        if _is_known(expression, known | set(kept))
    }
    own_outputs = {
        name: output
        for name, output in template.get("Outputs", {}).items()
        if _is_known(output, known | set(kept))
    }
    shared = ("AWSTemplateFormatVersion", "Parameters", "Mappings", "Conditions")
    own = {name: template[name] for name in shared if name in template}
    return {**own, "Resources": kept, "Outputs": own_outputs | outputs}, [
        name for name in everything if name not in kept
    ]


def stack_name(app_name: str, stage: str) -> str:
    """Return what the stack of an app's stage is called: CloudFormation takes letters, digits and hyphens,
    a letter first, where Chalice takes an underscore or a digit as well. One that is too long ends in what
    stands for all of it, its stage too.
    """
    name = re.sub("[^a-zA-Z0-9-]", "-", f"{app_name}-{stage}")
    name = name if name[:1].isalpha() else f"app-{name}"
    if len(name) <= _STACK_NAME_MAX:
        return name
    end = f"-{sha256(name.encode()).hexdigest()[:8]}"
    return name[: _STACK_NAME_MAX - len(end)] + end


def answers(wanted: list[Any], outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the values of expressions, by their keys, from a stack's outputs."""
    named = {f"{_OUTPUT}{number}": expression_key(each) for number, each in enumerate(wanted)}
    return {named[name]: value for name, value in outputs.items() if name in named}


def _is_known(value: Any, known: set[str]) -> bool:
    return all(name in known or name.startswith("AWS::") for name in _references(value))


def _references(value: Any) -> Iterator[str]:
    """Yield the ids that an expression refers to; within text only those of ``Fn::Sub``'s simple form."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from (
                part.partition("}")[0].partition(".")[0] for part in text.split("${")[1:] if part[:1] != "!"
            )
        case dict():
            for name, inner in value.items():
                yield from [inner] if name == "DependsOn" and isinstance(inner, str) else _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)
