"""What modules of the console export, asked for in the page itself."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.browser.chromium import Page

_MODULE: Final = "import(new URL({}, document.querySelector('script[type=module]').src))"


def told(page: Page, module: str, expression: str) -> Any:
    """Return what an expression comes to beside what a module exports."""
    found = _MODULE.format(json.dumps(f"./{module}.js"))
    return page.run(f"{found}.then((it) => {{ with (it) return {expression}; }})")


def all_told(page: Page, module: str, cases: Mapping[str, Any]) -> None:
    """Compare what each expression comes to with what it should."""
    assert {each: told(page, module, each) for each in cases} == cases
