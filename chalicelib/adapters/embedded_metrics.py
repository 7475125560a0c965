"""Metrics in CloudWatch's embedded format: lines of the log, from which CloudWatch takes the numbers.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Final

from pydantic_core import to_json

COUNT: Final = "Count"
MILLISECONDS: Final = "Milliseconds"

VALUES_MAX: Final = 100
"""Of one metric in one line, by the specification; it has as many metrics at most, and we have a dozen."""

_Named = tuple[str, str]


class EmbeddedMetrics:
    """Gathers values until they are written; each name has one unit.

    Powertools' looks at each value by itself, which took twice as long as the line for a whole batch does.
    """

    def __init__(self, *, namespace: str, service: str) -> None:
        self._namespace = namespace
        self._service = service
        self._gathered: dict[_Named, list[int]] = {}

    def add(self, name: str, unit: str, values: Iterable[int]) -> None:
        self._gathered.setdefault((name, unit), []).extend(values)

    def lines(self) -> Iterator[str]:
        """Yield the lines of all that was gathered since the last time, each with as much as it may hold."""
        gathered, self._gathered = self._gathered, {}
        parts = {
            named: [values[start : start + VALUES_MAX] for start in range(0, len(values), VALUES_MAX)]
            for named, values in gathered.items()
        }
        for line in zip_longest(*parts.values(), fillvalue=[]):
            yield self._line({named: values for named, values in zip(parts, line, strict=True) if values})

    def _line(self, metrics: Mapping[_Named, list[int]]) -> str:
        described = {
            "Namespace": self._namespace,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics],
        }
        said = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]},
            "service": self._service,
            **{name: values for (name, _), values in metrics.items()},
        }
        return to_json(said).decode()
