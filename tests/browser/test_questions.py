"""Questions that the console asks before it acts, and clicks beside them."""

import httpx

from tests.browser.chromium import Page
from tests.browser.conftest import WHOLE, OpenPage, done_with_answers, submit

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
# A page that the server answers until `leave` is called, and again after `comeBack`.
SERVER_LEAVES = """
const real = window.fetch;
let isGone = false;
window.leave = () => { isGone = true; };
window.comeBack = () => { isGone = false; };
window.fetch = async (...asked) => {
    if (isGone) throw new TypeError('Failed to fetch');
    return real(...asked);
};
"""


# A page whose preview comes when `letGo` is called.
PREVIEW_IS_LATE = """
const real = window.fetch;
window.fetch = async (url, ...more) => {
    if (String(url).includes('dryRun')) await new Promise((go) => { window.letGo = go; });
    return window.whole(await real(url, ...more));
};
"""
# A page whose markets are asked for in vain from `fallSilent` on, of a server that neither answers nor hangs
# up, and which waits two seconds for any answer.
SERVER_IS_SILENT = """
const real = window.fetch;
const timeout = AbortSignal.timeout;
let isSilent = false;
AbortSignal.timeout = () => timeout.call(AbortSignal, 2000);
window.fallSilent = () => { isSilent = true; };
window.answerAgain = () => { isSilent = false; };
window.fetch = async (url, options) => {
    if (!isSilent || !String(url).endsWith('/markets')) return real(url, options);
    return new Promise((_, fail) => {
        options.signal?.addEventListener('abort', () => fail(options.signal.reason));
    });
};
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


def orders_while_a_preview_is_under_way(page: Page) -> None:
    page.click("form.order button.main", text="Preview")
    page.until("Boolean(window.letGo)", "the question")
    page.click("header nav a", text="Orders")


def test_preview_that_comes_late_takes_no_other_questions_place_nor_opens_on_another_page(
    console: OpenPage,
) -> None:
    with console("#/trade", before=WHOLE + PREVIEW_IS_LATE) as page:
        page.fill("input[name=amount]", "0.7")
        orders_while_a_preview_is_under_way(page)
        page.click("button.danger")
        page.shown("dialog[open]")
        page.run("window.letGo(); window.letGo = null")
        done_with_answers(page)
        assert "Cancel all of these?" in page.text("dialog")
        page.click("dialog button", text="Leave it")
        page.click("header nav a", text="Trade")
        page.until("document.querySelector('form.order button.main')?.disabled === false", "another go")
        orders_while_a_preview_is_under_way(page)
        page.shown(".grid")
        page.run("window.letGo()")
        done_with_answers(page)
        assert page.run("document.querySelector('dialog[open]')") is None


def test_read_or_preview_that_is_not_answered_leaves_nothing_in_doubt(console: OpenPage) -> None:
    with console("#/health", before=SERVER_LEAVES) as page:
        page.shown(".histogram td")
        page.run("window.leave()")
        # The list of orders, which may not have been read yet, says so in words of its own.
        alerts = "[...document.querySelectorAll('[role=alert]')].map((each) => each.innerText)"
        page.until(f"{alerts}.includes('the server did not answer')", "what is not answered")
        page.run("location.hash = '#/trade'; null")
        page.fill("input[name=amount]", "0.7")
        page.click("form.order button.main", text="Preview")
        page.shown("form.order [role=alert] li, form.order li")
        assert page.text("form.order li") == "the server did not answer"


def test_command_that_is_not_answered_says_that_its_outcome_is_not_known(
    console: OpenPage, rest: httpx.Client
) -> None:
    order_id = submit(rest, type="limit", side="sell", amount="0.3", limitPrice="9000")
    with console(f"#/order/{order_id}", before=SERVER_LEAVES) as page:
        page.until("document.querySelector('main .status')?.innerText === 'open'", "the order at rest")
        page.run("window.leave()")
        page.click("main button", text="Cancel")
        page.shown(".note")
        assert page.text(".note").endswith(
            ": the server did not answer. Whether it was done is not known: look at the order."
        )
    assert rest.delete(f"/orders/{order_id}").is_success


def test_rules_that_could_not_be_read_are_read_once_the_server_answers(console: OpenPage) -> None:
    with console("#/orders", before=SERVER_LEAVES) as page:
        page.shown("[role=grid]")
        page.run("window.leave(); location.hash = '#/audit'; null")
        page.shown("[role=alert]")
        page.run("window.comeBack(); null")
        page.shown(".rules li")


def test_prices_of_a_server_that_fell_silent_are_said_to_be_old_and_asked_for_again(
    console: OpenPage,
) -> None:
    with console("#/trade", before=SERVER_IS_SILENT) as page:
        page.until("/^[0-9]/.test(document.querySelector('.price')?.innerText)", "a price")
        page.run("window.fallSilent()")
        page.shown(".trade-side [role=alert]")
        assert page.text(".trade-side [role=alert]").startswith("No prices: the server did not answer")
        page.run("window.answerAgain()")
        page.until("document.querySelector('.trade-side [role=alert]') === null", "prices again")
