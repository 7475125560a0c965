"""Judge a WebSocket API: ``python -m tests.conformance --url wss://API.execute-api.REGION.amazonaws.com/ws``.

The API must run the probe app (``tests/conformance/probe_app``). Without ``--url`` ours is judged. Prints one
row per behaviour; the exit status is 1 if one does not hold.
"""

import argparse
import os
import sys
from pathlib import Path

import pytest

from tests.conformance.report import Report, Result

_HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--url", help="address of the WebSocket API, stage included; default: one of ours")
    parser.add_argument("--slow", action="store_true", help="also wait for limits of minutes")
    parser.add_argument("-v", "--verbose", action="store_true", help="show pytest's own output too")
    options = parser.parse_args()
    if options.url:
        os.environ["CONFORMANCE_URL"] = options.url
    if options.slow:
        os.environ["CONFORMANCE_SLOW"] = "1"
    report = Report()
    quiet = [] if options.verbose else ["-p", "no:terminal", "-o", "addopts="]
    pytest.main([str(_HERE), "-p", "no:cacheprovider", *quiet], plugins=[report])
    sys.stdout.write(report.table())
    return 0 if report.rows and Result.NOT_HELD not in report.results() else 1


if __name__ == "__main__":
    sys.exit(main())
