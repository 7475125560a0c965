"""``python -m tests.vectors FILE...``: check files of golden swaps."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.vectors.check import VectorFileError, check
from tests.vectors.formats import FORMATS


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per file and its first differences; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.vectors",
        description="Check golden swap vectors against the pool maths of chalicelib.amm.",
        epilog=f"The pool kind is the file's name: {', '.join(FORMATS)}. "
        "Exit status: 0 all agree, 1 some differ, 2 not a vector file.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON array of vectors")
    parser.add_argument(
        "--show", type=int, default=5, metavar="N", help="differences to print per file (%(default)s)"
    )
    options = parser.parse_args(arguments)
    status = 0
    for path in options.files:
        try:
            report = check(path)
        except VectorFileError as e:
            print(f"error: {e}", file=sys.stderr)
            status = 2
            continue
        agreeing = report.swaps - len(report.differences)
        print(f"{path}: {report.swaps} swaps, {agreeing} agree, {len(report.differences)} differ")
        for difference in report.differences[: options.show]:
            print(f"  {path.name}{difference}")
        if report.differences:
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
