"""The accessibility rules are the published ones."""

import hashlib
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent / "axe"


def test_rules_are_their_packages_to_the_byte() -> None:
    lock = tomllib.loads((FOLDER / "axe.toml").read_text(encoding="utf-8"))
    assert {
        name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in lock["sha256"]
    } == lock["sha256"]
    assert {path.name for path in FOLDER.iterdir()} == {*lock["sha256"], "axe.toml"}
