"""A ``/tmp`` for each execution environment, as on Lambda: by a mount namespace of its own.

Linux only, and where the kernel lets us: root with CAP_SYS_ADMIN, or any user by way of a user
namespace (user_namespaces(7)); some distributions and most containers refuse both. Then only
``TMPDIR`` tells environments apart.
"""

import ctypes
import glob
import os
import re
import sys
import tempfile
from collections.abc import Iterable

TMP = "/tmp"  # noqa: S108  # the very directory that is replaced
# linux/sched.h, linux/mount.h, linux/prctl.h
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
# What environments still need of the shared /tmp: where servers on
# this machine listen, and what variables name.
_SOCKETS = "/tmp/.s.PGSQL.*"  # noqa: S108  # as above
_NAMED = re.compile(r"/tmp/[^\s:;,?&'\"]+")  # noqa: S108  # as above

_IS_LINUX = sys.platform == "linux"


def is_possible() -> bool:
    """Return whether an environment can have its own; tried in a child, since a failed try leaves traces."""
    if not _IS_LINUX:
        return False
    with tempfile.TemporaryDirectory() as folder:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                enter(folder, ())
                status = 0
            finally:
                os._exit(status)
        _, wait_status = os.waitpid(pid, 0)
    return wait_status == 0


def enter(folder: str, kept: Iterable[str]) -> None:
    """Let this process, which must have one thread only, and those it starts see ``folder`` as ``/tmp``.

    Args:
        kept: Paths that stay what they are though they lie in ``/tmp``; what does not exist is left out.

    Raises:
        OSError: The kernel refuses, possibly half-way.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNS if uid == 0 else _CLONE_NEWNS | _CLONE_NEWUSER
    _checked(libc.unshare(flags))
    if uid != 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _mount(libc, "none", "/", _MS_REC | _MS_PRIVATE)
    for path in _outermost(kept):
        place = folder + path.removeprefix(TMP)
        if os.path.isdir(path):  # noqa: PTH112  # pathlib would be a cold-start cost
            os.makedirs(place, exist_ok=True)  # noqa: PTH103  # as above
        else:
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120  # as above
            os.close(os.open(place, os.O_CREAT, 0o600))
        _mount(libc, path, place, _MS_BIND | _MS_REC)
    _mount(libc, folder, TMP, _MS_BIND | _MS_REC)


def named_paths(variables: Iterable[str]) -> list[str]:
    """Return the paths below ``/tmp`` that the values of variables name,
    and sockets that servers keep there.
    """
    return [path for value in variables for path in _NAMED.findall(value)] + glob.glob(_SOCKETS)  # noqa: PTH207


def places_of(paths: Iterable[str]) -> list[str]:
    """Return the paths, and where there is none yet, the folder below ``/tmp`` in which it will appear."""
    found = []
    for path in paths:
        place = path
        while place.startswith(f"{TMP}/") and not os.path.exists(place):  # noqa: PTH110  # as above
            place = os.path.dirname(place)  # noqa: PTH120  # as above
        found.append(place)
    return found


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return those that exist below ``/tmp``, without what lies in another of them."""
    found: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        is_inside = path.startswith(f"{TMP}/") and os.path.exists(path)  # noqa: PTH110  # as above
        if is_inside and not any(path.startswith(f"{other}/") for other in found):
            found.append(path)
    return found


def _mount(libc: ctypes.CDLL, source: str, target: str, flags: int) -> None:
    _checked(libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # as above
        file.write(text)
