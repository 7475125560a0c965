"""Every page of the console, as a person sees it: readable, on any screen, in light and dark."""

import httpx
import pytest

from tests.browser.chromium import Page
from tests.browser.conftest import OpenPage, broken_rules, submit

PAGES = {
    "orders": "[role=row][aria-rowindex='2']",
    "trade": ".chart canvas",
    "health": ".histogram td",
    "audit": ".rules li",
    "order": "svg.route",
}
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""

# Whether a field of the page that comes, focused as soon as it is there, still is once all has been drawn.
FOCUSED_AT_ONCE = """new Promise((done) => {
    new MutationObserver(async (_, watch) => {
        const field = document.querySelector('input[name=amount]');
        if (!field) return;
        watch.disconnect();
        field.focus();
        for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
        setTimeout(() => done(document.activeElement === field), 200);
    }).observe(document.body, { childList: true, subtree: true });
    location.hash = '#/trade';
})"""


@pytest.fixture(scope="module")
def order_id(rest: httpx.Client) -> str:
    """An order with a route that splits and goes by way of another token."""
    return submit(rest, inputToken="SOL", outputToken="BONK", amount="900")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_in_light_and_dark_fits_a_narrow_screen_and_does_not_jump(
    console: OpenPage, order_id: str, name: str
) -> None:
    with console(f"#/order/{order_id}" if name == "order" else f"#/{name}", before=SHIFTS) as page:
        page.shown(PAGES[name])
        assert broken_rules(page) == []
        assert page.run("window.shifted") < 0.1  # what browsers call good (web.dev/cls)
        page.prefer(dark=True)
        assert broken_rules(page) == []
        page.resize(360, 640)
        assert page.run("document.documentElement.scrollWidth") <= 360
        assert _outside(page) == []


def test_focus_that_a_new_page_is_given_at_once_stays(console: OpenPage) -> None:
    with console("#/orders") as page:
        page.shown("[role=grid]")
        assert page.run(FOCUSED_AT_ONCE)


def test_rules_find_what_breaks_them(console: OpenPage) -> None:
    with console("#/audit") as page:
        page.shown(PAGES["audit"])
        page.run("document.querySelector('.hint').style.color = '#999'")
        (contrast,) = broken_rules(page)
        assert contrast.startswith("color-contrast")
        page.run("document.querySelector('nav').append(new Image())")
        assert "image-alt" in {each.partition(":")[0] for each in broken_rules(page)}


def _outside(page: Page) -> list[str]:
    """Return what stands out of the page to the right, and cannot be scrolled to."""
    found: list[str] = page.run("""[...document.querySelectorAll('main *')].filter((each) => {
        if (each.closest('.lanes, .scrolls, pre, .grid, svg, .chart, .unseen')) return false;
        const box = each.getBoundingClientRect();
        return box.width && box.right > innerWidth + 1;
    }).map((each) => each.outerHTML.slice(0, 120))""")
    return found
