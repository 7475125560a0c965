"""Every page of the console, as a person sees it: readable, on any screen, in light and dark."""

import httpx
import pytest

from tests.browser.chromium import Page
from tests.browser.conftest import OpenPage, broken_rules, recorded, submit

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


# From a telephone to a laptop whose page is shown at twice its size, and past each width at which columns go.
WIDTHS = (360, 608, 609, 640, 720, 721, 784, 960, 961, 1024, 1152, 1153, 1264, 1265, 1280)
# Room for a scroll bar, which the browser of the tests hides.
SCROLL_BAR = """for (const each of document.querySelectorAll('.grid-head, .grid-body'))
    each.style.borderRight = '15px solid';
"""
CUT_OFF = """[...document.querySelectorAll('.grid-head .cell, .row .cell')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && box.right > document.querySelector('.grid').getBoundingClientRect().right - 16;
}).map((each) => `${innerWidth}: ${each.className}`)"""


def test_no_column_of_the_list_is_cut_off_on_any_screen(console: OpenPage, rest: httpx.Client) -> None:
    resting = submit(rest, type="limit", side="sell", amount="0.25", limitPrice="9000")
    with console(f"#/orders?q={resting}") as page:
        page.until("document.querySelector('.row .status')?.innerText === 'open'", "the order at rest")
        page.run(SCROLL_BAR)
        for width in WIDTHS:
            page.resize(width, 640)
            assert page.run(CUT_OFF) == []
    assert rest.delete(f"/orders/{resting}").is_success


TRUNCATED = """[...document.querySelectorAll('.row .cell, .row .cell *')]
    .filter((each) => each.scrollWidth > each.clientWidth && getComputedStyle(each).display !== 'inline')
    .map((each) => each.innerText)"""


def test_prices_of_many_digits_are_whole_where_there_is_room_and_in_a_hint_where_there_is_none(
    console: OpenPage, rest: httpx.Client
) -> None:
    terms = {"type": "limit", "inputToken": "BONK", "outputToken": "SOL", "amount": "123456789.12345"}
    resting = submit(rest, **terms, limitPrice="0.000000933301687765")
    with console(f"#/orders?q={resting}", width=1440) as page:
        page.until("document.querySelector('.row .distance')?.innerText.endsWith('%')", "a distance")
        page.until("document.querySelector('.row .status')?.innerText === 'open'", "the order at rest")
        assert page.run(TRUNCATED) == []
        # An order that is told of before it is read is shown without the unit of its prices until then.
        hint = "0.000000933301687765, SOL per BONK"
        page.until(f"document.querySelector('.row .bound span').title === '{hint}'", "the hint")
        assert page.run("document.querySelector('.row .amount span').title") == "123456789.12345 BONK"
    assert rest.delete(f"/orders/{resting}").is_success


BEYOND_THE_EDGE = """[...document.querySelectorAll('main :is(select, input, button)')]
    .filter((each) => each.getBoundingClientRect().right > innerWidth).map((each) => each.name)"""


def test_pair_of_a_mint_in_no_list_is_whole_in_a_hint_and_its_filter_fits_a_narrow_screen(
    console: OpenPage, rest: httpx.Client
) -> None:
    mint = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
    waiting = submit(rest, type="sniper", inputToken="USDC", outputToken=mint, amount="10")
    with console(f"#/orders?q={waiting}", width=360) as page:
        page.until(f"document.querySelector('.row .pair a')?.title === '{mint}/USDC'", "the hint")
        assert page.run(BEYOND_THE_EDGE) == []
        page.resize(1280, 800)
        assert page.run("document.querySelector('.filters').clientHeight") < 80
    recorded(rest, waiting, status="open")
    assert rest.delete(f"/orders/{waiting}").is_success


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_ages_are_right_where_the_clock_of_the_machine_is_wrong(
    console: OpenPage, rest: httpx.Client, ahead_s: int
) -> None:
    wrong = f"const real = Date.now; Date.now = () => real() + {ahead_s * 1000};"
    resting = submit(rest, type="limit", side="sell", amount="0.25", limitPrice="9000")
    with console(f"#/orders?q={resting}", before=wrong) as page:
        page.until("/^[1-9]\\d? s$/.test(document.querySelector('.row .age')?.innerText)", "its age")
    assert rest.delete(f"/orders/{resting}").is_success


def test_rows_on_a_very_wide_screen_are_no_wider_than_they_are_read(console: OpenPage) -> None:
    with console("#/orders", width=3840, height=2160) as page:
        page.shown("[role=grid]")
        assert page.run("document.querySelector('[role=grid]').getBoundingClientRect().width") <= 1920


def test_list_on_a_screen_that_is_too_low_for_it_is_scrolled_to(console: OpenPage) -> None:
    with console("#/orders", width=320, height=256) as page:
        page.shown("[role=grid]")
        seen = "document.querySelector('.hint').getBoundingClientRect().bottom <= innerHeight"
        # A wheel that turns before the page is laid out moves nothing.
        for _ in range(100):
            page.call("Input.dispatchMouseEvent", type="mouseWheel", x=40, y=90, deltaX=0, deltaY=200)
            page.run("new Promise(requestAnimationFrame)")
            if page.run(seen):
                break
        assert page.run(seen)


def test_what_colours_alone_would_say_is_seen_where_the_system_chooses_them(
    console: OpenPage, rest: httpx.Client
) -> None:
    submit(rest)
    with console("#/orders") as page:
        forced = {"name": "forced-colors", "value": "active"}
        page.call("Emulation.setEmulatedMedia", features=[forced])
        page.shown("[role=row][aria-rowindex='2']")
        page.run("document.querySelector('.grid-body').focus()")
        page.press("End")
        page.shown(".row.chosen")
        style = "getComputedStyle(document.querySelector('{}')).{}"
        assert page.run(style.format(".row.chosen", "outlineStyle")) == "solid"
        assert page.run(style.format("header nav a[aria-current]", "textDecorationLine")) == "underline"
        page.run("location.hash = '#/health'; null")
        page.shown(".bar")
        shown = page.run(style.format(".bar", "backgroundColor"))
        assert shown != page.run(style.format("body", "backgroundColor"))
        assert shown != "rgba(0, 0, 0, 0)"


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
