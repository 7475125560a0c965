"""Two accounts, one after the other on one page: what one typed, chose or was told is not the other's."""

import httpx

from chalicelib.domain.principals import OPERATOR_SCOPE
from tests.browser.chromium import TIME_LIMIT_S, Chromium, Page
from tests.browser.conftest import WHOLE, a_token, done_with_answers, opened, sign_in, submit
from tests.support.instance import Instance

LIVE = "document.querySelector('.link')?.innerText.includes('live')"
IS_SHOWN = "document.querySelector('form.order') !== null"
# Requests of the chosen method wait until the test lets them through.
HELD = (
    WHOLE
    + """
const real = window.fetch;
window.holds = null;
window.held = [];
window.asked = [];
window.answered = [];
window.fetch = async (url, options = {}, ...more) => {
    const said = `${options.method ?? 'GET'} ${url}`;
    if (window.answers401) return new Response('{}', { status: 401 });
    if (window.answers429 && said.includes('/orders?')) {
        window.refused = (window.refused ?? 0) + 1;
        return new Response('{}', { status: 429, headers: window.saying });
    }
    window.asked.push([said, options.headers?.Authorization]);
    if (window.holds && said.startsWith(window.holds)) await new Promise((pass) => window.held.push(pass));
    const answer = await whole(await real(url, options, ...more));
    window.answered.push(said);
    return answer;
};
"""
)
LET_THROUGH = "window.holds = null; window.held.forEach((pass) => pass())"


def change(page: Page, account: str, scope: str | None = None) -> None:
    page.click("header button", text="Sign out")
    sign_in(page, a_token(scope, account))
    page.until(LIVE, "live")


# All with ``is_refused``: the browser lists a socket that is given up before it is there.
def test_what_one_account_typed_and_was_told_is_gone_when_another_signs_in(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/trade", is_refused=True) as page:
        sign_in(page, a_token())
        page.until(LIVE, "live")
        page.choose("select[name=kind]", "limit")
        page.fill("input[name=amount]", "0.73")
        page.fill("input[name=limitPrice]", "no price")
        page.click("form.order button.main", text="Preview")
        page.until("document.querySelector('form.order [role=alert]') !== null", "what is wrong")
        page.until("document.querySelector('.depth table') !== null", "what it would get")

        change(page, "bob")

        page.until(IS_SHOWN, "the form")
        assert page.run("document.querySelector('select[name=kind]').value") == "market"
        assert page.run("document.querySelector('input[name=amount]').value") == ""
        assert page.run("document.querySelector('form.order [role=alert]')") is None
        assert "Type an amount." in page.text(".depth")


def test_filters_and_order_in_the_address_go_with_their_account(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/orders?status=open&q=mine", is_refused=True) as page:
        sign_in(page, a_token())
        page.until(LIVE, "live")
        assert page.run("document.querySelector('input[name=q]').value") == "mine"
        change(page, "bob")
        assert page.run("location.hash") == "#/orders"
        assert page.run("document.querySelector('input[name=q]').value") == ""
    headers = {"Authorization": f"Bearer {a_token()}"}
    with httpx.Client(base_url=secured.rest_url, headers=headers, timeout=TIME_LIMIT_S) as rest:
        order_id = submit(rest)
    with opened(chromium, secured, f"#/order/{order_id}", is_refused=True) as page:
        sign_in(page, a_token())
        page.until("document.querySelector('.lanes') !== null", "the order")
        change(page, "bob")
        assert order_id not in page.text()


def test_token_that_expires_costs_its_account_nothing_and_another_sees_nothing(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/trade", before=HELD, is_refused=True) as page:
        sign_in(page, a_token())
        page.until(LIVE, "live")
        page.fill("input[name=amount]", "0.73")
        for account, kept in (("alice", "0.73"), ("bob", "")):
            page.run("window.answers401 = true")
            page.shown("input[name=token]")
            page.run("window.answers401 = false")
            sign_in(page, a_token(account=account))
            page.until(LIVE, "live")
            assert page.run("document.querySelector('input[name=amount]').value") == kept


def test_question_that_is_open_when_a_token_expires_is_closed(chromium: Chromium, secured: Instance) -> None:
    with opened(chromium, secured, "#/trade", before=HELD, is_refused=True) as page:
        sign_in(page, a_token())
        page.until(LIVE, "live")
        page.fill("input[name=amount]", "0.73")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open] button.main")
        page.run("window.answers401 = true")
        page.shown("input[name=token]")
        page.until("document.querySelector('dialog[open]') === null", "no question")


def test_orders_that_one_account_cancels_are_not_asked_for_in_anothers_name(
    chromium: Chromium, secured: Instance
) -> None:
    headers = {"Authorization": f"Bearer {a_token(account='carol')}"}
    with httpx.Client(base_url=secured.rest_url, headers=headers, timeout=TIME_LIMIT_S) as rest:
        for _ in range(6):
            submit(rest, side="sell", amount="1", type="limit", limitPrice="100000")
    with opened(chromium, secured, "#/orders?status=open", before=HELD, is_refused=True) as page:
        sign_in(page, a_token(account="carol"))
        page.until("document.querySelector('.count')?.innerText.startsWith('6 of')", "all that rest")
        page.run("window.holds = 'DELETE'")
        page.click("form.filters button.danger")
        page.click("dialog[open] button.main")
        page.until("window.held.length === 4", "requests that are on their way")
        change(page, "bob")
        page.run(LET_THROUGH)
        page.until("window.answered.filter((what) => what.startsWith('DELETE')).length === 4", "answers")
        done_with_answers(page)
        names = page.run("window.asked.filter(([what]) => what.startsWith('DELETE')).map(([, who]) => who)")
        assert len(names) == 4
        assert len(set(names)) == 1
        assert page.text(".notes") == ""


def test_rules_that_one_operator_checks_are_not_checked_on_in_anothers_name(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/audit", before=HELD, is_refused=True) as page:
        sign_in(page, a_token(OPERATOR_SCOPE))
        page.run("window.holds = 'POST'")
        page.click("button.main", text="Check all now")
        page.until("window.held.length === 1", "a request that is on its way")
        change(page, "bob", OPERATOR_SCOPE)
        page.until("document.querySelector('.rules') !== null", "the rules")
        page.run(LET_THROUGH)
        page.until("window.answered.filter((what) => what.startsWith('POST')).length === 1", "the answer")
        done_with_answers(page)
        assert page.run("window.asked.filter(([what]) => what.startsWith('POST')).length") == 1
        assert "not checked" not in page.text(".rules")
        assert page.text("button.main") == "Check all now"


def test_read_that_waits_for_its_turn_ends_with_its_account(chromium: Chromium, secured: Instance) -> None:
    with opened(chromium, secured, "#/orders", before=HELD, is_refused=True) as page:
        page.run("window.answers429 = true")
        sign_in(page, a_token())
        page.until("window.refused > 0", "a read that was put off")
        page.click("header button", text="Sign out")
        page.run("window.answers429 = false")
        before = page.run("window.asked.length")
        page.run("new Promise((pass) => setTimeout(pass, 2500))")  # a read that was put off is asked again
        assert page.run("window.asked.length") == before
        assert page.run("document.querySelector('[role=alert]')") is None


def test_read_that_is_put_off_is_asked_again_when_the_server_says(
    chromium: Chromium, secured: Instance
) -> None:
    with opened(chromium, secured, "#/orders", before=HELD, is_refused=True) as page:
        page.run("window.saying = { 'Retry-After': '600' }; window.answers429 = true")
        sign_in(page, a_token())
        page.until("window.refused > 0", "a read that was put off")
        page.run("new Promise((pass) => setTimeout(pass, 2500))")  # longer than if nothing had been said
        assert page.run("window.refused") == 1
