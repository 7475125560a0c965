"""Where tokens are asked for: the page shows nothing without one, and keeps it nowhere."""

import httpx

from chalicelib.domain.principals import OPERATOR_SCOPE
from tests.browser.chromium import TIME_LIMIT_S, Chromium
from tests.browser.conftest import (
    WHOLE,
    a_token,
    broken_rules,
    done_with_answers,
    opened,
    recorded,
    sign_in,
    submit,
)
from tests.support.instance import Instance

# Answers about orders wait until the test lets them through.
SLOW = (
    WHOLE
    + """
const real = window.fetch;
window.isHeld = false;
window.held = [];
window.fetch = async (url, ...more) => {
    const answer = await whole(await real(url, ...more));
    if (window.isHeld && url.includes('/orders?')) await new Promise((pass) => window.held.push(pass));
    return answer;
};
"""
)


LIVE = "document.querySelector('.link')?.innerText.includes('live')"
# The answer to an order waits until the test lets it through.
ACCEPTED_LATE = """
const real = window.fetch;
window.fetch = async (url, options, ...more) => {
    const answer = await real(url, options, ...more);
    if (String(url).endsWith('/orders') && options?.method === 'POST')
        await new Promise((pass) => { window.answer = pass; });
    return answer;
};
"""


def test_console_asks_for_a_token_and_keeps_it_in_memory_alone(chromium: Chromium, secured: Instance) -> None:
    with opened(chromium, secured, "#/orders", is_refused=True) as page:
        page.shown("input[name=token]")
        assert broken_rules(page) == []
        token = a_token()
        sign_in(page, token)
        page.until(LIVE, "live")
        kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
        assert token not in page.run(kept)
        page.run("location.hash = '#/health'")
        page.until("document.querySelector('main').innerText.includes('orderflow:operator')", "what it lacks")
        page.run("location.reload()")
        page.shown("input[name=token]")


def test_refused_token_is_told_and_forgotten(chromium: Chromium, secured: Instance) -> None:
    with opened(chromium, secured, "#/orders", is_refused=True) as page:
        sign_in(page, "no.good.token")
        page.until("document.querySelector('[role=alert]')?.innerText.includes('refused')", "the refusal")


def test_answer_that_comes_after_its_account_has_left_is_shown_to_no_other(
    chromium: Chromium, secured: Instance
) -> None:
    headers = {"Authorization": f"Bearer {a_token()}"}
    with httpx.Client(base_url=secured.rest_url, headers=headers, timeout=TIME_LIMIT_S) as rest:
        order_id = submit(rest)
        recorded(rest, order_id)
    with opened(chromium, secured, "#/orders", before=SLOW) as page:
        page.run("window.isHeld = true")
        sign_in(page, a_token())
        page.until("window.held.length > 0", "an answer that is on its way")
        page.click("header button", text="Sign out")
        page.run("window.isHeld = false")
        sign_in(page, a_token(account="bob"))
        page.until("document.querySelector('.empty')?.innerText.startsWith('No order yet')", "bob's list")
        page.run("window.held.forEach((pass) => pass())")
        done_with_answers(page)
        assert page.run(f"document.getElementById('row-{order_id}')") is None
        assert "0 of 0" in page.text(".count")


def test_order_whose_account_left_before_its_answer_is_sent_again_by_no_other(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/trade", before=ACCEPTED_LATE) as page:
        sign_in(page, a_token())
        page.until(LIVE, "live")
        page.fill("input[name=amount]", "0.73")
        page.click("form.order button.main", text="Preview")
        page.click("dialog[open] button.main")
        page.until("window.answer !== undefined", "an answer that is on its way")
        page.click("header button", text="Sign out")
        sign_in(page, a_token(account="bob"))
        page.until(LIVE, "live")
        page.run("window.answer()")
        page.until("!document.querySelector('form.order button.main').disabled", "the answer")
        assert page.text("form.order button.main") == "Preview"
        # What another does on the page is not its owner's answer.
        page.fill("input[name=amount]", "7.3")
        page.click("header button", text="Sign out")
        sign_in(page, a_token())
        page.until(LIVE, "live")
        assert page.text("form.order button.main") == "Send again"
        assert page.text("form.order [role=alert]").startswith("Sell 0.73 SOL for USDC. ")


def test_text_that_can_be_no_token_is_told_at_once_and_a_pasted_header_is_understood(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/orders") as page:
        sign_in(page, "two words")
        alert = "document.querySelector('[role=alert]')?.innerText"
        page.until(f"{alert}?.startsWith('This is no token')", "what it is not")
        sign_in(page, f"Bearer {a_token()}")
        page.until(LIVE, "live")


def test_operators_token_opens_the_operators_pages(chromium: Chromium, secured: Instance) -> None:
    with opened(chromium, secured, "#/audit") as page:
        sign_in(page, a_token(OPERATOR_SCOPE))
        page.click(".rules li:first-child button", text="Check")
        page.until(
            "document.querySelector('.rules .status.good')?.innerText === 'holds'", "a rule that holds"
        )
