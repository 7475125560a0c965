"""Bytecode in the package, for what every cold start imports.

Lambda's file system is read-only, so a function without bytecode compiles its imports anew
in each environment: half of a cold start. All of it would go beyond the package's limit,
so it is what the app itself imports.
"""

import importlib.util
import json
import marshal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Run in the unpacked package, which comes before everything that is installed.
_LIST_IMPORTS: Final = """
import json, os, sys
sys.path.insert(0, os.getcwd())
import app
here = os.getcwd() + os.sep
files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
ours = (file[len(here):] for file in files if file.startswith(here) and file.endswith(".py"))
print(json.dumps(sorted(ours)))
"""


def compiled(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of the bytecode of each module of the archive that importing the app loads.

    Raises:
        subprocess.CalledProcessError: The packaged app cannot be imported.
    """
    with tempfile.TemporaryDirectory(prefix="orderflow-unpacked-") as folder:
        with zipfile.ZipFile(archive) as package:
            package.extractall(folder)
        listed = subprocess.run(
            (sys.executable, "-B", "-c", _LIST_IMPORTS),
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in json.loads(listed.stdout.splitlines()[-1]):
            yield _bytecode_name(name), _bytecode(name, Path(folder, name).read_bytes())


def _bytecode_name(name: str) -> str:
    path = Path(name)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def _bytecode(name: str, source: bytes) -> bytes:
    """Return the file that Python would cache,
    of the kind that is never compared with its source (PEP 552).
    """
    code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True)
    unchecked_hash = (0b01).to_bytes(4, "little")
    return (
        importlib.util.MAGIC_NUMBER
        + unchecked_hash
        + importlib.util.source_hash(source)
        + marshal.dumps(code)
    )
