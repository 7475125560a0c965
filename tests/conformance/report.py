"""One row per behaviour: does it hold?"""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from textwrap import indent

import pytest


class Result(StrEnum):
    HELD = "held"
    NOT_HELD = "NOT HELD"
    SKIPPED = "skipped"


@dataclass
class Row:
    """A behaviour, and how its cases went.

    Attributes:
        title: First line of the test's docstring.
        remarks: Why it was skipped or does not hold.
    """

    title: str
    source: str
    outcomes: set[str] = field(default_factory=set)
    remarks: dict[str, None] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        if "failed" in self.outcomes:
            return Result.NOT_HELD
        return Result.HELD if "passed" in self.outcomes else Result.SKIPPED


class Report:
    """A pytest plugin that collects the rows."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            function = getattr(item, "function", None)
            title, _, rest = (getattr(function, "__doc__", None) or item.name).strip().partition("\n")
            source = " ".join(rest.split()).removeprefix("Source: ")
            self.rows.setdefault(_behaviour(item.nodeid), Row(title, source))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return  # only setting up or clearing away
        row = self.rows[_behaviour(report.nodeid)]
        row.outcomes.add(report.outcome)
        if report.skipped and isinstance(report.longrepr, tuple):
            row.remarks[report.longrepr[2].removeprefix("Skipped: ")] = None
        elif report.failed:
            row.remarks[report.longreprtext.rstrip().splitlines()[-1]] = None

    def results(self) -> AbstractSet[Result]:
        return {row.result for row in self.rows.values()}

    def table(self) -> str:
        """Return the rows as text, then the sums."""
        width = max(map(len, Result))
        lines = []
        for row in self.rows.values():
            lines.append(f"{row.result:{width}}  {row.title}")
            lines += [indent(remark, " " * (width + 4)) for remark in row.remarks]
        sums = Counter(row.result for row in self.rows.values())
        lines.append(", ".join(f"{sums[result]} {result}" for result in Result))
        return "\n".join(lines) + "\n"


def _behaviour(node_id: str) -> str:
    """Return the test's id without its parameters: its cases are one behaviour."""
    return node_id.partition("[")[0]
