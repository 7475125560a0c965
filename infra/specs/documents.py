"""All published documents, by the path at which the repository keeps them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.specs import client_models
from infra.specs.asyncapi import asyncapi
from infra.specs.error_table import error_table
from infra.specs.openapi import openapi
from infra.specs.postman import postman

DIRECTORY: Final = Path("docs") / "api"


def documents() -> Mapping[Path, str]:
    """Return the text of each document; the same code gives the same text."""
    return {
        DIRECTORY / "openapi.json": _json(openapi()),
        DIRECTORY / "asyncapi.json": _json(asyncapi()),
        DIRECTORY / "postman.json": _json(postman()),
        DIRECTORY / "errors.md": error_table(),
        client_models.PATH: client_models.client_models(),
    }


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
