"""``python -m infra.local.reset``: wipe an instance's data; refused while it runs."""

import os
import shutil
import sys
from pathlib import Path

from infra.local.state_dir import StateDir, StateDirInUseError


def main() -> int:
    """Remove the state directory that ORDERFLOW_HOME names (default ``.orderflow``)."""
    path = Path(os.environ.get("ORDERFLOW_HOME") or ".orderflow")
    if not path.exists():
        return 0
    state = StateDir(path)
    try:
        state.acquire()
    except StateDirInUseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    shutil.rmtree(path)
    sys.stdout.write(f"wiped {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
