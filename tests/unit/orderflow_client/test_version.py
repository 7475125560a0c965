"""One version, and a package that stands alone."""

import ast
import sys
import tomllib
from pathlib import Path

from orderflow_client import __version__

PACKAGE = Path(__file__).parents[3] / "clients" / "python"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]


def test_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == __version__
    assert f"## {__version__}\n" in (PACKAGE / "CHANGELOG.md").read_text("utf-8")


def test_package_imports_nothing_but_httpx_and_websockets() -> None:
    found = set()
    for path in (PACKAGE / "src" / "orderflow_client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
    assert found - sys.stdlib_module_names == {"httpx", "websockets", "orderflow_client"}
    assert {each.split(">")[0] for each in PROJECT["dependencies"]} == {"httpx", "websockets"}
