"""What stands in for MiniStack's own start of environments ends with it."""

import os
import sys
from pathlib import Path

from tests.deploy.forked import Environments, Forked
from tests.support.instance import is_running

WAITS = "import sys\nfor line in sys.stdin: pass\n"


def test_environment_that_is_forked_as_the_emulator_ends_keeps_it_from_nothing(tmp_path: Path) -> None:
    program = tmp_path / "waits.py"
    program.write_text(WAITS)
    environments = Environments()
    command, how = (sys.executable, str(program)), {"cwd": str(tmp_path), "env": dict(os.environ)}
    environments.start(("true",), **how).wait()
    forked = environments.start(command, **how)
    assert isinstance(forked, Forked)
    (origin,) = environments._origins.values()
    assert origin is not None
    origin._end()
    while is_running(forked.pid):
        pass
    for stream in (forked.stdin, forked.stdout, forked.stderr, forked._reports):
        stream.close()
