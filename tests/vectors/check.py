"""Compare a file of golden swaps with what our pools answer,
and a file of chain data with what the adapter reads.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.amm import pools
from chalicelib.amm.swaps import SwapRefusedError
from tests.vectors.formats import FORMATS, Format
from tests.vectors.onchain_files import FORMAT_ERRORS, check_object


class VectorFileError(Exception):
    """The file is no vector file; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One vector that our pools answer differently."""

    position: int
    expected: dict[str, Any]
    actual: dict[str, Any]

    def __str__(self) -> str:
        names = [name for name in self.expected | self.actual if self._at(name)]
        return f"[{self.position}] " + "; ".join(f"{name}: {self._at(name)}" for name in names)

    def _at(self, name: str) -> str:
        expected, actual = self.expected.get(name, "nothing"), self.actual.get(name, "nothing")
        return "" if expected == actual else f"expected {expected}, got {actual}"


@dataclass(frozen=True, slots=True)
class Report:
    swaps: int
    differences: list[Difference | str]
    what: str = "swaps"


def check_any(path: Path) -> Report:
    """Check a file of any format: an array of swaps by pool kind, or an object of the Solana vectors.

    Raises:
        VectorFileError: As ``check``.
    """
    if not path.exists():
        return check(path)  # which says what a name may be
    file = _loaded(path)
    if not isinstance(file, dict):
        return check(path)
    try:
        tally = check_object(path, file)
    except FORMAT_ERRORS as e:
        raise VectorFileError(f"{path} holds no vectors: {type(e).__name__}: {e}") from e
    if not tally.vectors:
        raise VectorFileError(f"{path} holds no vector")
    done = ", ".join(f"{count} {name}" for name, count in sorted(tally.checks.items()))
    return Report(tally.vectors, [f" {name}: {text}" for name, text in tally.problems], f"vectors ({done})")


def check(path: Path) -> Report:
    """Answer every swap in a file and collect the differences.

    Raises:
        VectorFileError: Unknown pool kind, unreadable file, or not in the format.
    """
    kind = path.name.partition(".")[0]
    if kind not in FORMATS:
        raise VectorFileError(f"unknown pool kind {kind!r}: name the file after one of {', '.join(FORMATS)}")
    vectors = list(_read(path))
    differences: list[Difference | str] = []
    for position, vector in enumerate(vectors):
        try:
            expected = dict(vector["expect"])
            actual = answer(FORMATS[kind], vector)
        except (KeyError, TypeError, ValueError) as e:
            raise VectorFileError(
                f"{path}[{position}] is not a {kind} vector: {type(e).__name__}: {e}"
            ) from e
        if actual != expected:
            differences.append(Difference(position, expected, actual))
    return Report(len(vectors), differences)


def answer(pool_format: Format, vector: dict[str, Any]) -> dict[str, Any]:
    """Return what our pool answers to one vector's swap, in the terms of its ``expect``."""
    request = pool_format.request(vector["swap"])
    pool = pool_format.pool(vector["pool"], request)
    try:
        result, after = pools.swap(pool, request)
    except SwapRefusedError as e:
        return {"error": e.refusal.value}
    return pool_format.expected(request, result, after)


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise VectorFileError(f"cannot read {path}: {e}") from e


def _read(path: Path) -> Iterator[dict[str, Any]]:
    vectors = _loaded(path)
    if not isinstance(vectors, list):
        raise VectorFileError(f"{path} must hold a JSON array, not a {type(vectors).__name__}")
    if not vectors:
        raise VectorFileError(f"{path} holds no vector")
    for position, vector in enumerate(vectors):
        if not isinstance(vector, dict):
            raise VectorFileError(f"{path}[{position}] must be an object, not a {type(vector).__name__}")
        yield vector
