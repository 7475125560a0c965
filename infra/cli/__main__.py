"""``python -m infra.cli``, which the script ``orderflow`` calls."""

import io
import logging
import sys

from chalice_offline.interrupts import ends_quietly

if __name__ == "__main__":
    with ends_quietly():
        from chalicelib.logs import SERVICE
        from infra.cli.orderflow import orderflow
        from infra.cli.unwritten import answer_stream
    # What is printed is the answer, which a script reads as JSON; what is logged beside it is not.
    for handler in logging.getLogger(SERVICE).handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    sys.stdout = answer_stream(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    orderflow(prog_name="./orderflow")
