"""What the Dockerfile puts into the image."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def copied() -> list[str]:
    """Return the names that the image gets from the checkout."""
    lines = re.findall(r"^COPY (?:--\S+ )?(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return " ".join(lines).split()


def unpack_image(folder: Path) -> Path:
    """Copy what the image would hold into a new folder; return it."""
    folder.mkdir()
    left_out = shutil.ignore_patterns("__pycache__", "deployments")
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder
