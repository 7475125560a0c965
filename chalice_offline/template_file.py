"""A CloudFormation template in a file that people write by hand."""

import json
from pathlib import Path
from typing import Any


class TemplateFileError(ValueError):
    """A file holds no template, with its name."""


def load_template(path: Path) -> dict[str, Any]:
    """Return a template whose ``Resources`` and ``Parameters`` are tables of tables.

    Raises:
        OSError: The file cannot be read.
        TemplateFileError: It is no JSON, or no template.
    """
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        form = ", and YAML is not read here" if path.suffix in {".yaml", ".yml"} else ""
        raise TemplateFileError(f"{path} is no JSON{form}: {error}") from error
    if not isinstance(template, dict):
        raise TemplateFileError(f"{path} is no template: a table is expected, with Resources in it")
    for section in ("Resources", "Parameters"):
        entries = template.get(section, {})
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise TemplateFileError(f"{path}: {section} is no table of tables")
    return template
