"""``python -m chalicelib.migrations``: bring the database at DATABASE_URL up to date."""

import os
import sys

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.migrations import upgrade


def main() -> int:
    """Migrate, and say what went wrong in one line if it did."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        sys.stderr.write("DATABASE_URL is not set: which database should be migrated?\n")
        return 2
    upgrade(make_engine(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
