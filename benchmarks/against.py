"""This tree against a commit, side by side: ``python -m benchmarks.against COMMIT``.

Both run at once, each with a state of its own, and take the loads in turns, this one first in every other
pair: a machine whose speed changes changes it for both. The commit runs from a worktree of git's, with the
packages that are installed here. What compares is the ratio of a pair; the median of all pairs is printed.
"""

import argparse
import asyncio
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.environment import environment_lines
from benchmarks.instance import Instance, running_instance
from benchmarks.load import AT_REST_ORDERS, ORDERS, QUIET, WARM_UP
from benchmarks.precedence import ahead_of_others
from benchmarks.processes import peak_mib, runtime_kinds, shared_once_mib
from benchmarks.shapes import Load, Run, Shape, percentile, run_load

PAIRS: Final = 4
_REPOSITORY: Final = Path(__file__).parents[1]


def main() -> None:
    options = _parser().parse_args()
    for line in environment_lines():
        print(line)
    wanted = loads(options.orders, options.connections)
    with (
        worktree(options.commit) as tree,
        running_instance(QUIET) as ours,
        running_instance(QUIET, tree) as theirs,
    ):
        print(f"this tree : {options.commit}; {options.orders} orders a run, {options.pairs} pairs\n")
        compare(ours, theirs, wanted, pairs=options.pairs, is_ahead=options.ahead)


def loads(orders: int, connection_counts: Sequence[int]) -> list[Load]:
    """Return one order at a time, then each number of connections with one in flight; all of it twice,
    without and with ``clientOrderId``.
    """
    shapes = [(min(orders, AT_REST_ORDERS), 1), *((orders, count) for count in connection_counts)]
    return [Load(*shape, Shape.CLOSED_LOOP, keyed=keyed) for keyed in (False, True) for shape in shapes]


def compare(
    ours: Instance, theirs: Instance, wanted: Sequence[Load], *, pairs: int, is_ahead: bool = False
) -> None:
    """Run the pairs of each load and print their ratios and medians.

    ``is_ahead``: each load comes before every other program of the machine.
    """
    measured = _ahead if is_ahead else _beside
    for instance in (ours, theirs):
        for keyed in (False, True):
            asyncio.run(run_load(instance, Load(WARM_UP, 10, Shape.CLOSED_LOOP, keyed=keyed)))
    print(
        f"{'load':<18}{'orders/s':>14}{'ratio':>7}  {'of each pair':<{6 * pairs}}"
        f"{'processor ms':>14}{'accepted p50':>14}{'final p50':>14}"
    )
    for load in wanted:
        found = [
            _pair(ours, theirs, partial(measured, load), is_ours_first=number % 2 == 0)
            for number in range(pairs)
        ]
        print(_line(load, found), flush=True)
    for title, measure in (("peaks", peak_mib), ("shared pages once", shared_once_mib)):
        sizes = [
            sum(size for kind, size in measure(runtime_kinds(each.status)).items() if kind != "load")
            for each in (ours, theirs)
        ]
        print(f"resident memory, MiB, {title}: {sizes[0]:.0f} : {sizes[1]:.0f}")


def _beside(load: Load, instance: Instance) -> Run:
    return asyncio.run(run_load(instance, load))


def _ahead(load: Load, instance: Instance) -> Run:
    with ahead_of_others(instance):
        return _beside(load, instance)


def _pair(
    ours: Instance, theirs: Instance, measured: Callable[[Instance], Run], *, is_ours_first: bool
) -> tuple[Run, Run]:
    if is_ours_first:
        first = measured(ours)
        return first, measured(theirs)
    second = measured(theirs)
    return measured(ours), second


def _line(load: Load, found: Sequence[tuple[Run, Run]]) -> str:
    ratios = [mine.rate / other.rate for mine, other in found]
    each = " ".join(f"{ratio:5.2f}" for ratio in ratios)
    rates, costs, accepted, final = (
        [statistics.median(values) for values in zip(*(map(figure, pair) for pair in found), strict=True)]
        for figure in (
            lambda run: run.rate,
            _all_ms,
            lambda run: percentile(run.accepted_ms, 0.5),
            lambda run: percentile(run.final_ms, 0.5),
        )
    )
    name = f"C = {load.connections}{', key' if load.keyed else ''}"
    return (
        f"{name:<18}{f'{rates[0]:.0f} : {rates[1]:.0f}':>14}{statistics.median(ratios):>7.2f}  {each} "
        f"{f'{costs[0]:.2f} : {costs[1]:.2f}':>14}{f'{accepted[0]:.1f} : {accepted[1]:.1f}':>14}"
        f"{f'{final[0]:.1f} : {final[1]:.1f}':>14}"
    )


def _all_ms(run: Run) -> float:
    """Return processor milliseconds per order of everything but the load generator."""
    return sum(spent for kind, spent in run.cpu_s.items() if kind != "load") * 1000 / run.load.orders


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check a commit out beside this tree; remove it afterwards.

    Raises:
        CalledProcessError: There is no such commit.
    """
    with TemporaryDirectory(prefix="orderflow-against-") as folder:
        tree = Path(folder) / "tree"
        git = ("git", "-C", str(_REPOSITORY), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="any name that git knows")
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument(
        "--ahead", action="store_true", help="each load comes before every other program; root only"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--connections", type=int, nargs="+", default=[10, 50])
    return parser


if __name__ == "__main__":
    main()
