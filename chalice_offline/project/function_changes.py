"""What ``resources.json`` changes in Chalice's own functions: variables, time-out, memory, concurrency.

``chalice package --merge-template`` merges resources of the same id, and a template says
``{"WebsocketMessage": {"Properties": {"Environment": {"Variables": {"TABLE": {"Ref": "Table"}}}}}}``; the ids
are ``chalice.utils.to_cfn_resource_name``'s. ``Globals.Function`` of SAM is for all functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from chalice.utils import to_cfn_resource_name

from chalice_offline.project.functions import FunctionSpec
from chalice_offline.project.inspection import ProjectError
from chalice_offline.project.resources import expression_key

_REST_FUNCTION: Final = "api_handler"
_REST_FUNCTION_ID: Final = "APIHandler"
_FUNCTION_TYPE: Final = "AWS::Serverless::Function"
_HEEDED: Final = frozenset({"Environment", "Timeout", "MemorySize", "ReservedConcurrentExecutions"})


@dataclass(frozen=True, slots=True)
class FunctionChanges:
    """Properties of functions by their ids in the template; of ``Globals`` by an empty id."""

    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, template: Mapping[str, Any]) -> Self:
        found = {
            name: resource["Properties"]
            for name, resource in template.get("Resources", {}).items()
            if resource.get("Type", _FUNCTION_TYPE) == _FUNCTION_TYPE
            and not _HEEDED.isdisjoint(resource.get("Properties", {}))
        }
        shared = template.get("Globals", {}).get("Function", {})
        return cls({**found, "": shared} if shared else found)

    def expressions(self) -> list[Any]:
        """Return the variables' values that are expressions."""
        return [
            value
            for properties in self.properties.values()
            for value in _variables(properties).values()
            if isinstance(value, dict)
        ]

    def variables(self, answers: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of all functions that are known, for an app that reads them when imported."""
        return {
            name: text
            for properties in self.properties.values()
            for name, value in _variables(properties).items()
            if (text := _text(value, answers)) is not None
        }

    def applied(self, spec: FunctionSpec, answers: Mapping[str, str]) -> FunctionSpec:
        """Return a function as the template changes it.

        Raises:
            ProjectError: A variable is an expression that nothing answers.
        """
        is_rest = spec.name == _REST_FUNCTION
        logical_id = _REST_FUNCTION_ID if is_rest else to_cfn_resource_name(spec.name)
        for changed in ("", logical_id):
            properties = self.properties.get(changed, {})
            reserved = properties.get("ReservedConcurrentExecutions", spec.reserved_concurrency)
            spec = replace(
                spec,
                environment={**spec.environment, **_texts(properties, answers, changed or "Globals")},
                timeout_s=properties.get("Timeout", spec.timeout_s),
                memory_mb=properties.get("MemorySize", spec.memory_mb),
                reserved_concurrency=reserved,
            )
        return spec


def _variables(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    variables: Mapping[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return variables


def _texts(properties: Mapping[str, Any], answers: Mapping[str, str], place: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in _variables(properties).items():
        text = _text(value, answers)
        if text is None:
            raise ProjectError(f"resources.json: {place}: {name}: nothing answers {expression_key(value)}")
        texts[name] = text
    return texts


def _text(value: Any, answers: Mapping[str, str]) -> str | None:
    return answers.get(expression_key(value)) if isinstance(value, dict) else str(value)
