"""Ctrl-C in a command's first second, when nothing is there yet that would have to be stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ends_quietly() -> Iterator[None]:
    """Let Ctrl-C end the process by the signal meanwhile, 130 to a shell: imports would print a traceback.

    Where SIGINT is ignored, or the caller handles it, that stays so.
    """
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
