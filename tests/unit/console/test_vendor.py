"""What other people wrote of the console is theirs to the byte, with licences; nothing leads elsewhere."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.adapters.console_files import CONTENT_TYPES, FOLDER

VENDOR: Final = FOLDER / "vendor"
LOCK: Final = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))
FILES: Final = [(package, file) for package in LOCK["package"] for file in package["file"]]
OWN: Final = sorted(path for path in FOLDER.iterdir() if path.is_file())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("package", "file"), FILES, ids=lambda each: each["name"])
def test_vendored_file_is_the_one_of_its_package(package: dict[str, Any], file: dict[str, str]) -> None:
    assert digest(VENDOR / file["name"]) == file["sha256"], package["name"]


def test_every_package_has_a_version_a_digest_and_its_licence() -> None:
    for package in LOCK["package"]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["archive"].startswith("sha512-")
        assert package["licence"] in {"MIT", "Apache-2.0"}
        assert digest(VENDOR / package["licence_file"]) == package["licence_sha256"]


def test_nothing_is_vendored_that_the_lock_does_not_name() -> None:
    named = {file["name"] for _, file in FILES} | {package["licence_file"] for package in LOCK["package"]}
    assert {path.name for path in VENDOR.iterdir()} == named | {"vendor.toml"}


def test_console_is_text_alone() -> None:
    for path in (*OWN, *VENDOR.iterdir()):
        path.read_text(encoding="utf-8")
    assert {path.suffix for path in OWN} <= {*CONTENT_TYPES, ".html"}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_file_of_ours_leads_to_another_host_or_makes_text_into_markup_or_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|wss?://", text)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|dangerously|\beval\(|new Function", text
    )
