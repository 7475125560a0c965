"""The operator's pages: what died, and what may be sent again."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.domain.queue_messages import Message, OrderMessage, ResumeMessage
from chalicelib.wire.queue_messages import render_message
from tests.browser.conftest import OpenPage, recorded
from tests.fakes.orders import an_order
from tests.support.instance import Instance

_LETTER = text("""
INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)
VALUES (:id, CAST(:order_id AS uuid), :body, 10, 'a defect of ours: KeyError')
""")

# A page whose first check of a rule waits until `answer` is called, and whose second one fails.
ONE_CHECK_WAITS_AND_ONE_FAILS = """
const real = window.fetch;
const called = new Promise((resolve) => { window.answer = resolve; });
let checks = 0;
window.fetch = async (url, options, ...more) => {
    if (!String(url).includes('/operator/audit/')) return real(url, options, ...more);
    checks += 1;
    if (checks === 2)
        return new Response('{"code": "SERVICE_UNAVAILABLE", "message": "a moment"}', { status: 503 });
    await called;
    return real(url, options, ...more);
};
"""


# A page that looks again in a moment.
LOOKS_OFTEN = """
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...more) => wait(run, ms === 3000 ? 50 : ms, ...more);
"""


def archived(instance: Instance, *messages: Message) -> None:
    """Archive messages, all at once."""
    engine = make_engine(instance.status()["database_url"])
    with engine.begin() as connection:
        for message in messages:
            order_id = str(message.order.order_id) if isinstance(message, OrderMessage) else None
            letter = {"id": str(uuid4()), "order_id": order_id, "body": render_message(message)}
            connection.execute(_LETTER, letter)
    engine.dispose()


def test_archived_order_that_is_not_on_record_is_sent_again_by_a_button_and_others_say_why_not(
    console: OpenPage, instance: Instance, rest: httpx.Client
) -> None:
    order = an_order(account_id="local", accepted_at=datetime.now(UTC), order_id=uuid4())
    archived(instance, OrderMessage(order=order))
    archived(instance, ResumeMessage(order_id=uuid4()))
    with console("#/health") as page:
        page.shown("section[aria-labelledby=dead] tbody tr")
        assert "does not hold the order" in page.run(
            "document.querySelector('section[aria-labelledby=dead] details').textContent"
        )
        page.click("section[aria-labelledby=dead] td button", text="Send again…")
        page.shown("dialog[open]")
        assert "Mend first" in page.text("dialog")
        page.click("dialog button.main")
        page.until("document.querySelector('.note')?.innerText.includes('in the queue again')", "sent")
        page.until(
            "document.querySelector('section[aria-labelledby=dead] td button') === null", "no button any more"
        )
    recorded(rest, order.order_id, status="confirmed")


def test_letters_of_which_more_come_at_once_than_a_page_shows_are_all_found(
    console: OpenPage, instance: Instance
) -> None:
    archived(instance, ResumeMessage(order_id=uuid4()))
    with console("#/health", before=LOOKS_OFTEN) as page:
        page.shown("section[aria-labelledby=dead] tbody tr")
        order_ids = [uuid4() for _ in range(25)]
        archived(instance, *[ResumeMessage(order_id=each) for each in order_ids])
        page.click("section[aria-labelledby=dead] p button", text="Older")
        told = "[...document.querySelectorAll('[aria-labelledby=dead] pre')].map((each) => each.textContent)"
        page.until(
            f"{[str(each) for each in order_ids]}.every((each) => `${{{told}}}`.includes(each))",
            "all of them",
        )


def test_check_that_fails_beside_another_is_still_told_when_that_one_ends(console: OpenPage) -> None:
    with console("#/audit", before=ONE_CHECK_WAITS_AND_ONE_FAILS) as page:
        page.shown(".rules li:nth-child(2)")
        light = "document.querySelector('.rules li:nth-child({}) .status').innerText"
        page.click(".rules li:nth-child(1) button")
        page.click(".rules li:nth-child(2) button")
        page.until(f"{light.format(2)} === 'not checked'", "the failure")
        page.run("window.answer(); null")
        page.until(f"{light.format(1)} === 'holds'", "the end of the first")
        assert page.run(light.format(2)) == "not checked"
