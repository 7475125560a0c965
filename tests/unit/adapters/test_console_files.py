"""The console's files: what is served of them, under which name."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from shutil import copytree

import pytest

from chalicelib.adapters.console_files import FOLDER, ConsoleFiles, PageFacts

FACTS = PageFacts("wss://api.example/ws", "prod", "solana", asks_for_token=True)


def test_version_changes_with_the_content_of_any_asset(tmp_path: Path) -> None:
    changed = copytree(FOLDER, tmp_path / "console")
    before = ConsoleFiles(changed).version
    assert before == ConsoleFiles().version
    (changed / "vendor" / "htm.mjs").write_text("export default 1")
    assert ConsoleFiles(changed).version != before


def test_asset_is_there_under_its_version_alone() -> None:
    files = ConsoleFiles()
    text, content_type = files.asset(files.version, "main.js") or ("", "")
    assert text == (FOLDER / "main.js").read_text()
    assert content_type == "text/javascript; charset=utf-8"
    assert files.asset("0" * 16, "main.js") is None


@pytest.mark.parametrize(
    "name", ["page.html", "vendor.toml", "LICENSE-htm.txt", "../config.py", "vendor/htm.mjs", ""]
)
def test_what_is_no_asset_is_not_served(name: str) -> None:
    files = ConsoleFiles()
    assert files.asset(files.version, name) is None


def test_page_says_where_it_runs_and_refers_to_assets_that_are_there() -> None:
    files = ConsoleFiles()
    page = files.page(FACTS)
    assert (
        'data-websocket="wss://api.example/ws" data-stage="prod" data-chain="solana" data-auth="jwt"'
        in page.html
    )
    referred = re.findall(r"console/([0-9a-f]+)/([a-z.-]+)", page.html)
    assert len(referred) == 9
    assert [each for each in referred if files.asset(*each) is None] == []


def test_setting_in_the_page_cannot_become_markup() -> None:
    page = ConsoleFiles().page(PageFacts('"><script>alert(1)</script>', "<b>", "&", asks_for_token=False))
    assert "<script>alert" not in page.html
    assert "<b>" not in page.html


def test_digest_is_of_the_inline_script_as_the_browser_reads_it() -> None:
    page = ConsoleFiles().page(FACTS)
    (script,) = re.findall(r'<script type="importmap">(.*?)</script>', page.html, re.DOTALL)
    assert page.script_sha256 == b64encode(sha256(script.encode()).digest()).decode()


def test_entity_tag_changes_with_the_settings() -> None:
    files = ConsoleFiles()
    assert files.page(FACTS).tag == files.page(FACTS).tag
    assert files.page(FACTS).tag != files.page(PageFacts("", "prod", "solana", asks_for_token=True)).tag


def test_every_module_imports_files_that_are_there() -> None:
    files = ConsoleFiles()
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r"from '\./([^']+)'", path.read_text()) + re.findall(
            r"import\('\./([^']+)'\)", path.read_text()
        ):
            assert files.asset(files.version, name) is not None, f"{path.name} imports {name}"
