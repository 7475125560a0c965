"""The client's models: as the schemas have them, and as the repository keeps them."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from infra.specs.client_models import PATH, client_models, snake
from infra.specs.documents import DIRECTORY

ROOT = Path(__file__).parents[4]
MODULE = (ROOT / PATH).read_text("utf-8")
CLASSES = {node.name: node for node in ast.parse(MODULE).body if isinstance(node, ast.ClassDef)}
SCHEMAS: dict[str, Any] = {
    name: schema
    for document in ("openapi.json", "asyncapi.json")
    for name, schema in json.loads((ROOT / DIRECTORY / document).read_text("utf-8"))["components"][
        "schemas"
    ].items()
}


def test_file_in_the_package_is_current() -> None:
    assert client_models() == MODULE


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if schema.get("properties")])
def test_every_member_of_every_published_schema_is_a_field(name: str) -> None:
    targets = [node.target for node in CLASSES[name].body if isinstance(node, ast.AnnAssign)]
    fields = {target.id for target in targets if isinstance(target, ast.Name)}
    assert fields >= {snake(member) for member in SCHEMAS[name]["properties"]}


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "enum" in schema])
def test_every_name_of_an_enumeration_is_a_member(name: str) -> None:
    members = [
        node.value.value
        for node in CLASSES[name].body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    ]
    assert members == SCHEMAS[name]["enum"]


def test_no_value_is_a_float() -> None:
    assert "float" not in {node.id for node in ast.walk(ast.parse(MODULE)) if isinstance(node, ast.Name)}
