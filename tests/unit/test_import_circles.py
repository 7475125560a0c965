"""No module imports itself by way of others: each can be read, and moved, without all of the rest.

Imports for type checking alone count too. They break nothing while the program runs, but two modules that
need each other's types are one idea in two files all the same.
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp
import pytest

PACKAGES: Final = ("chalicelib", "chalice_offline", "infra", "orderflow_client")
SOME: Final = ("chalicelib.routing.router", "chalice_offline.runtime", "infra.run", "orderflow_client.client")
"""Modules that surely import others."""


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle, the first of them again at its end; nothing if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imports_of(*packages: str) -> dict[str, set[str]]:
    """Return what each module of some packages imports of them."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = imports_of(*PACKAGES)
    assert all(imports[module] for module in SOME), "the graph has no arrows"
    assert circle(imports) == []


def test_circle_for_type_checking_alone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_with_circle"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("import package_with_circle.other\n")
    (package / "other.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import package_with_circle.one\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert set(circle(imports_of("package_with_circle"))) == {
        "package_with_circle.one",
        "package_with_circle.other",
    }
