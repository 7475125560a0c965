"""JSON schemas of the wire models, collected under one name each."""

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_WORDS: Final = {"ge": "minimum", "le": "maximum"}
REFERENCE: Final = "#/components/schemas/{model}"


def schemas(models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """Return the schema of each model and of all that it refers to, by name (JSON Schema 2020-12)."""
    _, document = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, ref_template=REFERENCE
    )
    return {name: _plain(schema) for name, schema in sorted(document["$defs"].items())}


def reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _plain(value: Any) -> Any:
    """Return a schema without titles that only repeat names, and with limits in JSON Schema's own words.

    pydantic leaves the limits of a field that is checked before it is parsed in its own.
    """
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        _WORDS.get(name, name): _plain(member)
        for name, member in value.items()
        if not (name == "title" and isinstance(member, str))
    }
