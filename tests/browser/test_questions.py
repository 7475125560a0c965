"""Questions that the console asks before it acts, and clicks beside them."""

from tests.browser.conftest import OpenPage

# Changes are told after what was drawn in one go, and before anything else happens.
OPEN_AND_EMPTY = """
window.seen = 0;
const dialog = document.querySelector('dialog');
new MutationObserver(() => { window.seen += dialog.open && !dialog.querySelector('h2'); })
    .observe(dialog, { childList: true, attributes: true, subtree: true });
"""
COVERED_FOR_A_WHILE = """
const cover = document.createElement('div');
cover.style = 'position: fixed; inset: 0';
document.body.append(cover);
setTimeout(() => cover.remove(), 300);
"""


def test_question_that_was_answered_does_not_stay_open_without_words(console: OpenPage) -> None:
    with console("#/trade") as page:
        page.fill("input[name=amount]", "0.7")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open]")
        page.run(OPEN_AND_EMPTY)
        page.click("dialog button", text="Leave it")
        page.until("document.querySelector('dialog[open]') === null", "no question")
        assert page.run("window.seen") == 0


def test_click_of_a_test_waits_until_nothing_covers_what_it_is_for(console: OpenPage) -> None:
    with console("#/trade") as page:
        page.shown("header nav a")
        page.run(f"(() => {{ {COVERED_FOR_A_WHILE} }})()")
        page.click("header nav a", text="Orders")
        page.until("location.hash === '#/orders'", "the page that was clicked")
