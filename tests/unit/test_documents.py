"""The documents: what they link to and name is there, and their lines end where those of the code do."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from chalicelib.config import Settings

ROOT: Final = Path(__file__).parents[2]
COLUMNS_MAX: Final = 110
NOT_OURS: Final = frozenset({".venv", "node_modules", "out", "build"})
VENDORED: Final = frozenset({"vendor", "axe"})
"""Folders of what other people wrote, which stays as they published it."""

MADE_WHILE_RUNNING: Final = {"docs/local-runtime.md": frozenset({"status.json"})}

LINK: Final = re.compile(r"\]\(\s*([^)\s]+?)(?:#([^)\s]*))?\s*\)")
CITED: Final = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|toml|yaml|yml|json|md))(?:::\w+…?)?`")
CITED_TEST: Final = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.py)::(\w+…?)`")


@cache
def own_files() -> tuple[Path, ...]:
    """Return the repository's own files, without what tools make.

    No folder of theirs is entered: the environment has 30,000 files, and all processes of a run look.
    """
    found: list[Path] = []
    for folder, inner, names_in_it in os.walk(ROOT):
        inner[:] = [each for each in inner if each == ".chalice" or not (each[0] == "." or each in NOT_OURS)]
        found += (Path(folder, name) for name in names_in_it)
    return tuple(sorted(found))


def files(*suffixes: str) -> Iterator[Path]:
    return (path for path in own_files() if path.suffix in suffixes)


DOCUMENTS: Final = {str(path.relative_to(ROOT)): path for path in files(".md")}


@cache
def names() -> frozenset[str]:
    """Return every file by each end of its path that is made of whole names."""
    parts = [path.relative_to(ROOT).parts for path in own_files()]
    return frozenset("/".join(each[start:]) for each in parts for start in range(len(each)))


def outside_of_code(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines by number that stand in no block of code."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield number, line


def anchors(document: Path) -> frozenset[str]:
    """Return what a link into the document may name, as public hosts derive it from headings."""
    headings = (line for _, line in outside_of_code(document.read_text("utf-8")) if line.startswith("#"))
    texts = (re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()) for heading in headings)
    return frozenset(text.replace(" ", "-") for text in texts)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_and_headings_that_are_there(name: str) -> None:
    document = DOCUMENTS[name]
    prose = "\n".join(line for _, line in outside_of_code(document.read_text("utf-8")))
    for target, anchor in LINK.findall(prose):
        if "://" in target:
            continue
        found = document if target.startswith("#") else (document.parent / target).resolve()
        assert found.exists(), f"{name} links to {target}"
        wanted = target.removeprefix("#") if target.startswith("#") else anchor
        assert not wanted or wanted in anchors(found), f"{name} links to {target}, heading {wanted}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_named_are_there(name: str) -> None:
    text = DOCUMENTS[name].read_text("utf-8")
    missing = {cited for cited in CITED.findall(text) if cited not in names()}
    assert missing <= MADE_WHILE_RUNNING.get(name, frozenset()), f"{name} names what is not there"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_tests_that_are_named_are_there(name: str) -> None:
    """A name that is cut off with … stands for each that begins so."""
    for file, test in CITED_TEST.findall(DOCUMENTS[name].read_text("utf-8")):
        found = [path for path in files(".py") if path.as_posix().endswith(f"/{file}")]
        wanted = re.compile(rf"def {test.removesuffix('…')}" + ("" if test.endswith("…") else r"\("))
        assert any(wanted.search(path.read_text("utf-8")) for path in found), f"{name} names {file}::{test}"


def test_each_variable_that_functions_read_is_told_of() -> None:
    told = "\n".join(document.read_text("utf-8") for document in DOCUMENTS.values())
    missing = [name for name in Settings.model_fields if not re.search(rf"\b{name.upper()}\b", told)]
    assert missing == []


def test_each_member_of_an_orders_event_is_told_of_in_the_readme() -> None:
    published = json.loads((ROOT / "docs/api/asyncapi.json").read_text("utf-8"))
    members = published["components"]["schemas"]["OrderEventFrame"]["properties"]
    told = DOCUMENTS["README.md"].read_text("utf-8")
    assert [each for each in members if not re.search(rf"[`\"]{each}[`\"]", told)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_lines_end_at_the_column_where_those_of_code_end(name: str) -> None:
    """A row of a table cannot be broken, and neither can a word, such as an address."""
    text = DOCUMENTS[name].read_text("utf-8")
    wide = [
        number
        for number, line in outside_of_code(text)
        if len(line) > COLUMNS_MAX and not line.startswith("|") and " " in line.strip()
    ]
    assert wide == [], f"{name} has lines over {COLUMNS_MAX} columns"


PAGES: Final = {
    str(path.relative_to(ROOT)): path
    for path in files(".js", ".css", ".sql")
    if not VENDORED & set(path.relative_to(ROOT).parts)
}


@pytest.mark.parametrize("name", PAGES)
def test_scripts_and_styles_of_our_own_end_at_the_same_column(name: str) -> None:
    """Python is held by the linter."""
    lines = PAGES[name].read_text("utf-8").splitlines()
    wide = [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS_MAX]
    assert wide == [], f"{name} has lines over {COLUMNS_MAX} columns"
