"""The OpenMetrics text format: families of samples, as Prometheus and its kin read them.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_INFINITE: Final = "+Inf"


class MetricKind(StrEnum):
    GAUGE = "gauge"
    GAUGE_HISTOGRAM = "gaugehistogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: what is measured of what, and how much. ``suffix`` is that of a histogram's parts."""

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name, with what they mean. Names end in their unit, which is a base unit: seconds."""

    name: str
    about: str
    samples: Sequence[Sample]
    kind: MetricKind = MetricKind.GAUGE


def histogram(name: str, about: str, counts: Sequence[int], sum_ms: int, bounds_ms: Sequence[int]) -> Family:
    """Return a histogram of what is so now, in seconds: it may go down, as what it shows grows old.

    Args:
        counts: Per bucket, one more than there are bounds.
    """
    assert len(counts) == len(bounds_ms) + 1
    samples, below = [], 0
    for bound, count in zip((*(_number(ms / 1000) for ms in bounds_ms), _INFINITE), counts, strict=True):
        below += count
        samples.append(Sample({"le": bound}, below, "_bucket"))
    samples += [Sample({}, below, "_gcount"), Sample({}, sum_ms / 1000, "_gsum")]
    return Family(name, about, samples, MetricKind.GAUGE_HISTOGRAM)


def open_metrics(families: Iterable[Family]) -> str:
    """Return the exposition, with its end marked."""
    return "\n".join((*(line for family in families for line in _lines(family)), "# EOF", ""))


def _lines(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.kind}"
    if family.name.endswith("_seconds"):
        yield f"# UNIT {family.name} seconds"
    yield f"# HELP {family.name} {_escaped(family.about)}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        shown = f"{{{labels}}}" if labels else ""
        yield f"{family.name}{sample.suffix}{shown} {_number(sample.value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(round(value, 6)) if isinstance(value, float) else str(value)
