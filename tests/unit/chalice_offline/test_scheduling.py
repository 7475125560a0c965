"""The kernel's scheduling policy, which processes hand on to those they start."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
from chalice_offline.scheduling import stay_until_done
stay_until_done()
if os.fork() == 0:
    print(os.sched_getscheduler(0) == os.SCHED_BATCH)
else:
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the policy exists on Linux only")
def test_process_and_its_children_do_not_interrupt_whoever_wakes_them() -> None:
    shown = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert shown.stdout == "True\n"
