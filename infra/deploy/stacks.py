"""Which stacks make up a stage, in which order, and each one's parameters. Pure.

A stack's parameters are found by name: in the options of the deployment, or in the outputs
of the stacks before it. They are several because their lives differ: the database outlives
the code, the migration precedes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from infra.deploy.cloud import Target
from infra.deploy.json_types import JsonObject
from infra.deploy.monitoring import monitoring_template

_FOLDER: Final = Path(__file__).parent

APP: Final = "app"
MIGRATION: Final = "migration"
MONITORING: Final = "monitoring"
SOLANA: Final = "solana_nodes"
BESIDE_CHALICE: Final = "beside_chalice"
"""What ``chalice deploy`` does not make itself, and nothing else needs."""

_BEFORE_CODE: Final[Mapping[Target, tuple[str, ...]]] = {
    Target.AWS: ("queues", "secrets", "archive", "network", "database"),
    Target.MINISTACK: ("queues", "secrets", "archive", "given_database"),
    Target.LOCALSTACK: ("queues", "secrets", "archive", "given_database"),
}

# What else than a parameter's default a stage wants.
_BY_STAGE: Final[Mapping[str, Mapping[str, str]]] = {
    "dev": {"LogRetentionDays": "14", "MarketFaucet": "1"},
    "prod": {
        "LogRetentionDays": "90",
        # A line for each event of an order costs more than its queue; the record has all events anyway.
        "LogLevel": "WARNING",
        "MarketFaucet": "0",
        "NatGateways": "2",
        "DatabaseInstances": "2",
        "DatabaseCapacityMin": "2",
        "DatabaseCapacityMax": "64",
        "BackupRetentionDays": "35",
        "IsProtected": "true",
    },
}


class MissingValueError(LookupError):
    """A parameter that neither an option nor an earlier stack has a value for."""

    def __init__(self, stack: str, names: list[str]) -> None:
        super().__init__(f"stack {stack} has no value for {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of a stage; ``template`` is None for the application's, which packaging makes."""

    name: str
    kind: str
    template: JsonObject | None


def queues_only(stage: str) -> tuple[Stack, ...]:
    """Return what a target takes that has no WebSocket API.

    Functions run in the local runtime in front of it.
    """
    return (Stack(f"orderflow-{stage}-queues", "queues", template("queues")),)


def stacks(
    target: Target, stage: str, *, is_beside_chalice: bool = False, is_on_solana: bool = False
) -> tuple[Stack, ...]:
    """Return the stacks of a stage in the order of their making; the artifacts' bucket serves every stage.

    ``is_beside_chalice``: those that ``chalice deploy`` wants to find, without the code, which it deploys.
    """
    code = (BESIDE_CHALICE,) if is_beside_chalice else (APP, MONITORING)
    kinds = (*_BEFORE_CODE[target], *((SOLANA,) if is_on_solana else ()), MIGRATION, *code)
    bucket = Stack("orderflow-artifacts", "artifacts", template("artifacts"))
    return (
        bucket,
        *(
            Stack(
                f"orderflow-{stage}-{kind.replace('_', '-')}", kind, template(kind) if kind != APP else None
            )
            for kind in kinds
        ),
    )


def template(kind: str) -> JsonObject:
    """Return the template of a kind of stack."""
    if kind == MONITORING:
        return monitoring_template()
    # JSON is YAML; the queues' template is JSON because the local runtime reads it too.
    path = _FOLDER / "queues.json" if kind == "queues" else _FOLDER / "templates" / f"{kind}.yaml"
    found: JsonObject = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def stage_values(stage: str) -> dict[str, str]:
    """Return the parameters that make this stage what it is."""
    return {"Stage": stage, **_BY_STAGE[stage]}


def parameters(stack: Stack, declared: JsonObject, values: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's parameters from all the values there are.

    Raises:
        MissingValueError: One has neither a value nor a default.
    """
    names: Mapping[str, JsonObject] = declared.get("Parameters", {})
    missing = [name for name, each in names.items() if name not in values and "Default" not in each]
    if missing:
        raise MissingValueError(stack.name, missing)
    return {name: values[name] for name in names if name in values}


def changed_parameters(
    declared: JsonObject, before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return what a deployed stack's parameters are and would be, of those that change. Secrets are left out.

    Args:
        after: Those that are given; what else is declared gets its default, whatever it was before.
    """
    names: Mapping[str, JsonObject] = declared.get("Parameters", {})
    would_be = {name: after.get(name, str(each.get("Default", ""))) for name, each in names.items()}
    return {
        name: (before.get(name, ""), value)
        for name, value in would_be.items()
        if before.get(name, "") != value and not names[name].get("NoEcho")
    }
