"""What a child process does between fork and exec: die with its
parent, and run as nobody where root is refused.

PostgreSQL will not run as root. Started by root, its process becomes ``nobody`` and keeps one capability, to
read and search where only root may, so that binaries and data can lie below root's own home. Linux only.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from typing import Final

# linux/prctl.h, linux/securebits.h and linux/capability.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_SET_SECUREBITS: Final = 28
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
_CAP_VERSION_3: Final = 0x20080522
# CAP_DAC_READ_SEARCH does; containers often grant only its elder, CAP_DAC_OVERRIDE.
_CAPS_TO_REACH_FILES: Final = (2, 1)

_IS_LINUX: Final = sys.platform == "linux"
# Loaded before any fork: after one, only system calls are safe.
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if _IS_LINUX else None


def runs_as_root() -> bool:
    return _IS_LINUX and os.geteuid() == 0


def unprivileged_ids() -> tuple[int, int]:
    """Return uid and gid of ``nobody``."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def die_with_parent(signal_number: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` after which the kernel sends the
    signal when the parent's thread ends (prctl(2)).
    """

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)

    return prepare


def keep_files_private(prepare: Callable[[], None]) -> Callable[[], None]:
    """Return a ``preexec_fn`` that does the same, and after which files are made for their owner only."""

    def prepare_privately() -> None:
        os.umask(0o077)
        prepare()

    return prepare_privately


def become_nobody(signal_number: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` that gives up root, keeps reach of files, and then dies with the parent."""
    uid, gid = unprivileged_ids()
    follow_parent = die_with_parent(signal_number)

    def prepare() -> None:
        _drop_to(uid, gid)
        # Last: a change of user clears the parent-death signal.
        follow_parent()

    return prepare


def _drop_to(uid: int, gid: int) -> None:
    assert _LIBC is not None
    # Without it access(2), by which PostgreSQL checks its binaries,
    # disregards every capability of a non-root user.
    _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    for capability in _CAPS_TO_REACH_FILES:
        if _keep_only(capability):
            return


def _keep_only(capability: int) -> bool:
    """Reduce the process to one capability that survives exec (capabilities(7), ambient set)."""
    assert _LIBC is not None
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    bit = 1 << capability
    # effective, permitted, inheritable of capabilities 0-31; then of 32-63
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _LIBC.capset(header, data) != 0:
        return False
    return bool(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)
