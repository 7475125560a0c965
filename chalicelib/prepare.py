"""``python -m chalicelib.prepare``: bring the database at DATABASE_URL up to date and open the simulated market."""

import os
import sys

from chalicelib.adapters.market.definition import load_market
from chalicelib.adapters.market.seed import seed
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.config import ConfigurationError, Settings
from chalicelib.migrations import upgrade


def main() -> int:
    """Migrate and seed; both are safe to repeat."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        sys.stderr.write("DATABASE_URL is not set: which database should be prepared?\n")
        return 2
    try:
        if "LOCAL_GATEWAY_HOST" in os.environ:
            # Functions would find out at their first event; the local runtime can still refuse to start.
            Settings.from_env(os.environ)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    engine = make_engine(url)
    upgrade(engine)
    seed(engine, load_market())
    return 0


if __name__ == "__main__":
    sys.exit(main())
