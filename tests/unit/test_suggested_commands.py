"""Commands that errors, helps, the console and documents name: each works as it is typed in a clone."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import click

from infra.cli.orderflow import COMMANDS, orderflow

ROOT: Final = Path(__file__).parents[2]
CODE: Final = ("infra", "chalicelib", "chalice_app", "clients", "benchmarks")

NAMED: Final = re.compile(rf"(\./)?\borderflow ((?:{'|'.join(COMMANDS)})\b(?:(?! *\./)[^`\n;|#()>])*)")
"""A command as text has it: what stands before its name, and its words up to the end of a line or a quote."""

HISTORY: Final = "CHANGELOG.md"
"""Tells of commands of then, by their names alone."""


def texts(path: Path) -> Iterator[str]:
    """Yield what a file says to people: of Python its strings, without what modules say of themselves."""
    source = path.read_text("utf-8")
    if path.suffix != ".py" or not NAMED.search(source):
        yield source
        return
    tree = ast.parse(source)
    about_itself = tree.body[0].value if tree.body and isinstance(tree.body[0], ast.Expr) else None
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "VALUE" for each in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not about_itself:
            yield node.value


@cache
def named() -> tuple[tuple[str, str, str], ...]:
    """Return each command that is named: where, its path if there is one, and its words."""
    python = (path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    pages = (path for path in (ROOT / "chalicelib" / "console").glob("*.js"))
    documents = (path for path in ROOT.glob("*.md") if path.name != HISTORY)
    others = (ROOT / "clients" / "python" / "README.md", *(ROOT / "docs").rglob("*.md"))
    return tuple(
        (str(path.relative_to(ROOT)), before, words)
        for path in (*python, *pages, *documents, *others)
        for text in texts(path)
        for before, words in NAMED.findall(text)
    )


def test_commands_are_named_with_the_path_that_a_shell_wants() -> None:
    bare = [f"{place}: orderflow {words}" for place, before, words in named() if not before]

    assert not bare


def test_commands_that_are_named_are_there_with_their_options() -> None:
    unknown = [f"{place}: {words}" for place, _, words in named() if not is_known(words)]

    assert len(named()) > 50
    assert not unknown


def is_known(words: str) -> bool:
    """Return whether a command line begins with commands that are there, and names options that they have."""
    command: click.Command = orderflow
    context = click.Context(orderflow)
    options = {*options_of(orderflow), "--help"}
    for word in split(words):
        if isinstance(command, click.Group) and (inner := command.get_command(context, word)):
            command = inner
            options |= options_of(command)
        elif re.match(r"--[a-z]", word) and word.partition("=")[0].rstrip(".,:)") not in options:
            return False
    return True


def split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError:
        return words.split()


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
