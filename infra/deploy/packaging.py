"""The deployment package: what Chalice bundles, slimmed and made reproducible,
and the template that goes with it.
"""

import copy
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import yaml

from infra.deploy.compiling import compiled
from infra.deploy.json_types import JsonObject
from infra.deploy.template import finished
from infra.region import region_of

# What is compiled, libraries and bytecode, differs a little with the Python that builds: 14.5 MB with 3.11.
SIZE_MAX_BYTES: Final = 15_000_000
MERGE_TEMPLATE: Final = Path(__file__).parent / "templates" / "app.yaml"

# Needed to build, to type-check or to list a package, never to run it. Licences stay.
_LEFT_OUT: Final = (".pyi", ".h", ".pyx", ".pxd", ".c", ".js", ".css", ".gz", "dist-info/RECORD", "/py.typed")
_FOLDERS_LEFT_OUT: Final = ("/__pycache__/", ".dist-info/sboms/")
# What nothing here imports: what libraries test themselves with, templates of new projects, mypy's plugin,
# SQLAlchemy's other databases and its asyncio, Powertools' utilities for other purposes, pydantic's first
# version, and the parser of C with which cffi builds what cryptography has been built with already.
_NEVER_IMPORTED: Final = (
    "sqlalchemy/testing/",
    "sqlalchemy/dialects/mssql/",
    "sqlalchemy/dialects/mysql/",
    "sqlalchemy/dialects/oracle/",
    "sqlalchemy/dialects/sqlite/",
    "sqlalchemy/ext/asyncio/",
    *(
        f"aws_lambda_powertools/utilities/{name}/"
        for name in ("auth_alpha", "circuit_breaker", "data_masking", "feature_flags", "idempotency")
    ),
    *(f"aws_lambda_powertools/utilities/{name}/" for name in ("kafka", "streaming", "validation")),
    "alembic/templates/",
    "alembic/testing/",
    "mako/testing/",
    "pycparser/",
    "pydantic/mypy.py",
    "pydantic/v1/",
)
# The console's own, which it serves.
_CONSOLE: Final = "chalicelib/console/"
# Chalice's own command, which passes over bytecode. It would take that for changed code, and have pip
# bundle the same libraries again; and what another process is just writing of it is gone when it is read.
CHALICE: Final = """
import sys
from chalice.cli import main
from chalice.utils import OSUtils

every_folder = OSUtils.walk

def folders_of_code(self, path, followlinks=False):
    for folder, inner, files in every_folder(self, path, followlinks):
        inner[:] = [name for name in inner if name != "__pycache__"]
        yield folder, inner, files

OSUtils.walk = folders_of_code
sys.exit(main())
"""
# The oldest time that a zip file can hold: the same sources make the same bytes, and the same key.
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)


_NO_FILES: Final[Mapping[str, bytes]] = MappingProxyType({})


class PackagingError(RuntimeError):
    """Chalice refused, or what it made is too big."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a deployment uploads. ``key`` names the archive by its content."""

    archive: Path
    template: JsonObject

    @property
    def key(self) -> str:
        return f"{hashlib.sha256(self.archive.read_bytes()).hexdigest()[:32]}.zip"

    @property
    def runtime(self) -> str:
        """The runtime that its wheels were chosen for."""
        return str(self.template["Globals"]["Function"]["Runtime"])

    def stored_at(self, bucket: str) -> JsonObject:
        """Return the template with every function's code in the bucket, under ``key``."""
        template = copy.deepcopy(self.template)
        template["Globals"]["Function"]["CodeUri"] = {"Bucket": bucket, "Key": self.key}
        return template


def package(app_dir: Path, stage: str, out: Path, files: Mapping[str, bytes] = _NO_FILES) -> Package:
    """Build the package of a stage in ``out``, with some more files in its root.

    Raises:
        PackagingError: Chalice's own words, or the size over the limit.
    """
    chalice = (sys.executable, "-c", CHALICE)
    options = ("package", "--stage", stage, "--merge-template", str(MERGE_TEMPLATE), str(out))
    done = subprocess.run(
        (*chalice, *options),
        cwd=app_dir,
        env=_environment(os.environ, stage),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PackagingError(f"chalice package failed:\n{done.stdout}{done.stderr}".rstrip())
    _forget_older_packages(app_dir)
    archive = out / "orderflow.zip"
    slim(out / "deployment.zip", archive, files)
    size = archive.stat().st_size
    if size > SIZE_MAX_BYTES:
        raise PackagingError(f"the package has {size} bytes, the limit is {SIZE_MAX_BYTES}")
    template = finished(yaml.safe_load((out / "sam.yaml").read_text(encoding="utf-8")))
    return Package(archive, template)


def _forget_older_packages(app_dir: Path) -> None:
    """Remove what Chalice keeps of earlier code: 14 MB for each change.
    The newest saves it the work next time.
    """
    kept = sorted((app_dir / ".chalice" / "deployments").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-1]:
        path.unlink(missing_ok=True)


def slim(source: Path, target: Path, files: Mapping[str, bytes]) -> None:
    """Copy a zip file without what never runs and with the bytecode of what always does; add files.

    Entries are sorted and times fixed: equal content gives equal bytes.
    """
    with (
        zipfile.ZipFile(source) as bundled,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as slimmed,
    ):
        for name in sorted(bundled.namelist()):
            if _is_left_out(name):
                continue
            slimmed.writestr(_entry(name), bundled.read(name))
        for name, bytecode in compiled(source):
            slimmed.writestr(_entry(name), bytecode)
        for name, content in sorted(files.items()):
            slimmed.writestr(_entry(name), content)


def _is_left_out(name: str) -> bool:
    if name.startswith(_CONSOLE):
        return False
    if any(folder in name for folder in _FOLDERS_LEFT_OUT):
        return True
    return name.endswith(_LEFT_OUT) or name.startswith(_NEVER_IMPORTED)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o755 << 16
    return entry


def _environment(shell: Mapping[str, str], stage: str) -> dict[str, str]:
    """Return the shell's environment with what packaging needs; Chalice asks for a region although it makes
    no call, and its pip would note in the caller's home when it looked for a newer one.
    """
    queues = {
        "ORDERS_QUEUE_NAME": f"orderflow-{stage}-orders",
        "ORDERS_DLQ_NAME": f"orderflow-{stage}-orders-dlq",
    }
    others = {"AWS_DEFAULT_REGION": region_of(shell) or "us-east-1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**shell, **queues, **others}
