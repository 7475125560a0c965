"""MiniStack, run as a program, whose functions share what is unpacked of their package.

By itself it unpacks the package anew for each environment that starts: fifty megabytes, and all that the
package has no bytecode of is compiled again. On Lambda the code is read-only, so environments cannot tell.
"""

import hashlib
import subprocess
import tempfile
import zipfile
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime

from tests.deploy.forked import Environments

_lock = Lock()
_unpacked: dict[str, Path] = {}


class _Code(zipfile.ZipFile):
    """A package that is unpacked once, however often it is asked for."""

    def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
        """Have the folder, which is empty, lead to the package's files."""
        folder = Path(path)
        folder.rmdir()
        folder.symlink_to(self._unpacked(), target_is_directory=True)

    def _unpacked(self) -> Path:
        assert isinstance(self.filename, str), "MiniStack unpacks a file"
        with _lock, Path(self.filename).open("rb") as archive:
            digest = hashlib.file_digest(archive, "sha256").hexdigest()
            if digest not in _unpacked:
                folder = Path(tempfile.mkdtemp(prefix="code-"))
                super().extractall(folder)
                _unpacked[digest] = folder
            return _unpacked[digest]


def install() -> None:
    """Give MiniStack's start of an environment this way to unpack, and to begin with the libraries."""
    assert lambda_runtime.zipfile is zipfile, "environments are unpacked as they were"
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=_Code, BadZipFile=zipfile.BadZipFile)
    assert lambda_runtime.subprocess is subprocess, "environments are started as they were"
    lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": Environments().start})


if __name__ == "__main__":
    from ministack.app import main

    install()
    main()
