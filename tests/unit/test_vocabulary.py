"""One name for one thing, and words that say who: what a reader must not have to guess."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ("chalicelib", "chalice_offline", "infra")
PROSE: Final = (*PROGRAMS, "benchmarks", "clients", "docs")

# Published models have the names that OpenAPI's readers know: those of the things they show.
MODELS: Final = ("chalicelib/wire/answers.py", "chalicelib/wire/rest_answers.py")

VAGUE: Final = re.compile(r"\b(some|any|every)(body|one)\b|\bnobody\b|\bwhoever\b", re.IGNORECASE)
# The user account of that name, and a login that there is not.
A_NAME: Final = re.compile(r"`+nobody`+|\"nobody\"|run as nobody")
FORMER: Final = re.compile(
    r"\b([A-Za-z]+_)*(PATIENCE|patience)(_s|_S)?\b|\b(Teller|Latecomers|VenueDesk|Purse|Occupancy)\b"
)
HISTORY: Final = frozenset({"docs/performance-history.md"})


def sources(folders: tuple[str, ...], suffixes: frozenset[str]) -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in suffixes and not {"vendor", "build"} & set(path.parts)
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_public_class_has_a_name_of_its_own_in_its_program(program: str) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, text in sources((program,), frozenset({".py"})).items():
        if name in MODELS:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_prose_names_its_subjects_and_the_code_has_no_word_of_former_days() -> None:
    found = [
        f"{name}:{number} {line.strip()}"
        for name, text in sources(PROSE, frozenset({".py", ".js", ".md", ".yaml"})).items()
        if name not in HISTORY
        for number, line in enumerate(text.splitlines(), 1)
        if VAGUE.search(A_NAME.sub("", line)) or FORMER.search(line)
    ]
    assert found == []
