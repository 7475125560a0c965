"""``python -m tests.vectors FILE...``: check files of golden swaps."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.vectors.check import VectorFileError, check_any
from tests.vectors.formats import FORMATS


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per file and its first differences; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.vectors",
        description="Check golden vectors: swaps against the pool maths of chalicelib.amm, and chain data "
        "(accounts, instructions, events, messages) against chalicelib.adapters.solana.",
        epilog=f"Of an array of swaps the pool kind is the file's name: {', '.join(FORMATS)}. "
        "Exit status: 0 all agree, 1 some differ, 2 not a vector file.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON file of vectors")
    parser.add_argument(
        "--show", type=int, default=5, metavar="N", help="differences to print per file (%(default)s)"
    )
    options = parser.parse_args(arguments)
    status = 0
    for path in options.files:
        try:
            report = check_any(path)
        except VectorFileError as e:
            print(f"error: {e}", file=sys.stderr)
            status = 2
            continue
        agreeing = report.swaps - len(report.differences)
        print(f"{path}: {report.swaps} {report.what}, {agreeing} agree, {len(report.differences)} differ")
        for difference in report.differences[: options.show]:
            print(f"  {path.name}{difference}")
        if report.differences:
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
