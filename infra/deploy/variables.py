"""What the functions' environment variables take of the room that Lambda has for them. Pure.

Lambda refuses a function whose variables have more than 4 KB as JSON, which it would say in the middle of a
deployment. Most are known before; of the others, which are made on the way, the length is.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.config import ConfigurationError
from infra.deploy.json_types import JsonObject

BYTES_MAX: Final = 4_096
"""Of all variables of a function together (Lambda quotas), names and punctuation included."""

_SHOWN: Final = 8
_ACCOUNT: Final = "123456789012"
_SECRET: Final = f"arn:aws:secretsmanager:{{region}}:{_ACCOUNT}:secret:orderflow/{{stage}}/{{name}}-abcdef"
# What stacks before the functions' give, or theirs makes: in this form, with other digits and letters.
_LATER: Final = {
    "OrdersQueueUrl": f"https://sqs.{{region}}.amazonaws.com/{_ACCOUNT}/orderflow-{{stage}}-orders",
    "DatabaseSecretArn": _SECRET.replace("{name}", "database"),
    "DatabaseHost": "orderflow-{stage}.proxy-abcdefghijkl.{region}.rds.amazonaws.com",
    "WalletSeedSecretArn": _SECRET.replace("{name}", "wallet-seed"),
    "ArchiveUrl": f"s3://orderflow-{{stage}}-archive-{_ACCOUNT}-{{region}}",
    "WebsocketAPI": "abcdefghij",
    "DeskKey": f"arn:aws:kms:{{region}}:{_ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
}
_LATER_ON_SOLANA: Final = {"SolanaNodesSecretArn": _SECRET.replace("{name}", "solana-nodes")}


def with_later(values: Mapping[str, str], region: str) -> dict[str, str]:
    """Return a stage's values with others, just as long, for those that are not known before it is deployed.

    Args:
        values: The parameters that are known, ``Stage`` among them.
    """
    later = {**_LATER, **(_LATER_ON_SOLANA if values.get("Chain") == "solana" else {})}
    known = {name: form.format(region=region, stage=values["Stage"]) for name, form in later.items()}
    pseudo = {"AWS::Region": region, "AWS::AccountId": _ACCOUNT, "AWS::URLSuffix": "amazonaws.com"}
    return {**pseudo, **known, **values}


def variables_of(template: JsonObject, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a template's globals give each function.

    Args:
        values: By the names of parameters and of what else the variables refer to.
    """
    defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    known, conditions = {**defaults, **values}, template["Conditions"]
    stated = template["Globals"]["Function"]["Environment"]["Variables"]
    found = {name: _value(node, known, conditions) for name, node in stated.items()}
    return {name: value for name, value in found.items() if value is not None}


def unheeded(own: Mapping[str, str], made: Mapping[str, str]) -> list[str]:
    """Return those of a stage's own variables that its functions will not have as they are said there.

    Its name is not told: an emulator's stage without tokens has that of the local one.
    """
    return [name for name, value in own.items() if name != "STAGE" and made.get(name) != str(value)]


def check_variables(variables: Mapping[str, str]) -> None:
    """Refuse variables that Lambda would not take.

    Raises:
        ConfigurationError: They are too large; it names the largest, without their values.
    """
    size = len(_json(variables))
    if size <= BYTES_MAX:
        return
    sizes = sorted(((len(_json({name: value})) - 1, name) for name, value in variables.items()), reverse=True)
    largest = ", ".join(f"{name} {each:,}" for each, name in sizes[:_SHOWN])
    raise ConfigurationError(
        f"the environment variables of a function have {size:,} bytes, and Lambda takes {BYTES_MAX:,}. "
        f"The largest: {largest}"
    )


def _json(variables: Mapping[str, str]) -> bytes:
    return json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode()


def _value(node: Any, known: Mapping[str, str], conditions: JsonObject) -> str | None:
    match node:
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": name}:
            return known[name]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], text)
        case {"Fn::If": [name, then, otherwise]}:
            chosen = then if _holds({"Condition": name}, known, conditions) else otherwise
            return _value(chosen, known, conditions)
    return str(node)


def _holds(node: JsonObject, known: Mapping[str, str], conditions: JsonObject) -> bool:
    match node:
        case {"Condition": name}:
            return _holds(conditions[name], known, conditions)
        case {"Fn::Not": [one]}:
            return not _holds(one, known, conditions)
        case {"Fn::And": every}:
            return all(_holds(each, known, conditions) for each in every)
        case {"Fn::Equals": [one, other]}:
            return _value(one, known, conditions) == _value(other, known, conditions)
    raise AssertionError(f"a condition in words that are not read here: {node}")
