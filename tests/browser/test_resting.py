"""Orders that wait, in the console: placed, followed while they rest, amended, canceled, and fired."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import httpx
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from tests.browser.conftest import OpenPage, recorded, submit
from tests.support.instance import REPOSITORY, Instance


def test_limit_order_rests_is_amended_and_canceled(console: OpenPage, rest: httpx.Client) -> None:
    order_id = submit(rest, type="limit", side="sell", amount="1", limitPrice="300")
    with console("#/orders?status=open") as page:
        row = f"document.getElementById('row-{order_id}')"
        page.until(f"{row}?.querySelector('.bound').innerText === '300'", "its limit")
        page.until(f"{row}?.querySelector('.status').innerText === 'open'", "resting")
        page.until(
            f"/[+]9[0-9]|[+]1[0-9][0-9]/.test({row}.querySelector('.distance').innerText)", "how far it is"
        )
        page.click(f"[id='row-{order_id}'] button", text="Amend")
        page.fill("dialog input[name=limitPrice]", "310")
        page.click("dialog button.main")
        page.until(f"{row}?.querySelector('.bound').innerText === '310'", "its new limit")
        page.click(f"[id='row-{order_id}'] button", text="Cancel")
        page.until(f"{row} === null", "no open order")
    assert rest.get(f"/orders/{order_id}").json()["status"] == "canceled"


def test_order_that_another_client_amends_shows_its_new_terms_in_the_list_and_on_its_page(
    console: OpenPage, rest: httpx.Client
) -> None:
    trigger = {"price": "40", "when": "below"}
    order_id = submit(rest, type="limit", side="sell", amount="2", limitPrice="39", trigger=trigger)
    with console("#/orders") as page:
        row = f"document.getElementById('row-{order_id}')?.querySelector('.bound').innerText"
        page.until(f"{row} === '≤ 40'", "its trigger")
        recorded(rest, order_id, status="open")
        _amend(rest, order_id, triggerPrice="41")
        page.until(f"{row} === '≤ 41'", "its new trigger")
        page.run(f"location.hash = '#/order/{order_id}'")
        page.until(f"{_LAST} === 'open'", "its page")
        page.until("document.querySelector('.facts')?.innerText.includes('below 41')", "what it waits for")
        _amend(rest, order_id, triggerPrice="42", limitPrice="38.5")
        page.until("document.querySelector('.facts').innerText.includes('below 42')", "its new terms")
        assert "38.5" in page.text(".facts")
        assert "amended: limit price 38.5, trigger price 42" in page.text(".lanes")
    rest.delete(f"/orders/{order_id}")


def test_limit_on_an_order_that_buys_is_shown_and_written_down_in_the_prices_that_it_was_given_in(
    console: OpenPage, rest: httpx.Client
) -> None:
    by_side = submit(rest, type="limit", side="buy", amount="2", limitPrice="100")
    by_tokens = submit(
        rest, type="limit", inputToken="USDC", outputToken="SOL", amount="200", limitPrice="0.01"
    )  # of which the mark, upside down, is two thirds
    with console("#/orders?status=open") as page:
        cell = "document.getElementById('row-{}')?.querySelector('.{}').innerText"
        page.until(f"{cell.format(by_side, 'bound')} === '100'", "USDC per SOL")
        page.until(f"{cell.format(by_tokens, 'bound')} === '0.01 SOL/USDC'", "SOL per USDC")
        page.until(f"/^−3[0-9][.]/.test({cell.format(by_side, 'distance')})", "below the mark")
        page.until(f"/^[+][45][0-9][.]/.test({cell.format(by_tokens, 'distance')})", "above the mark")
        for order_id, unit in ((by_side, "100 USDC per SOL"), (by_tokens, "0.01 SOL per USDC")):
            page.run(f"location.hash = '#/order/{order_id}'")
            page.until(f"document.querySelector('.facts')?.innerText.includes('{unit}')", "its limit")
            frame = json.loads(page.text(".copy code").partition("-x '")[2].rstrip("'"))
            again = submit(rest, **{name: value for name, value in frame.items() if name != "action"})
            terms = ("inputToken", "outputToken", "swapMode", "amount", "limitPrice", "priceBase")
            one, other = (recorded(rest, each) for each in (order_id, again))
            assert [one[name] for name in terms] == [other[name] for name in terms]
    assert rest.delete("/orders", params={"types": "limit"}).status_code == 200


def test_line_of_an_order_with_an_end_makes_one_that_is_good_for_as_long(
    console: OpenPage, rest: httpx.Client
) -> None:
    with console("#/orders") as page:
        terms = {"type": "limit", "side": "sell", "amount": "2", "limitPrice": "1000"}
        order_id = submit(rest, **terms, validForSeconds=3600)
        page.run(f"location.hash = '#/order/{order_id}'")
        page.shown(".copy code")
        frame = json.loads(page.text(".copy code").partition("-x '")[2].rstrip("'"))
    again = recorded(rest, submit(rest, **{name: frame[name] for name in frame if name != "action"}))
    lasts = datetime.fromisoformat(again["validUntil"]) - datetime.fromisoformat(again["acceptedAt"])
    assert (lasts, again["timeInForce"]) == (timedelta(hours=1), "gtd")
    assert rest.delete("/orders", params={"types": "limit"}).status_code == 200


def test_sniper_order_says_its_limit_in_the_prices_that_it_is_sent_in(console: OpenPage) -> None:
    with console("#/trade") as page:
        page.choose("select[name=kind]", "sniper")
        page.choose("select[name=baseAsset]", "JUP")
        page.fill("input[name=amount]", "10")
        page.fill("input[name=limitPrice]", "0.5")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open]")
        said = page.text("dialog")
        assert "Spend 10 USDC on JUP" in said
        assert "for at least 0.5 JUP per USDC" in said
        assert "for at least 5 JUP" in said  # the server's own words
        page.press("Escape")
        mint = "DxQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"
        page.fill("input[name=mint]", mint)
        page.fill("input[name=decimals]", "5")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open]")
        said = page.text("dialog")
        assert f"Spend 10 USDC on {mint}" in said
        assert f"for at least 5 {mint}" in said
        page.press("Escape")


def test_all_orders_of_a_type_are_canceled_once_that_is_confirmed(
    console: OpenPage, rest: httpx.Client
) -> None:
    resting = [submit(rest, type="limit", side="buy", amount="1", limitPrice=f"{20 + n}") for n in range(3)]
    with console("#/orders?type=limit&status=active") as page:
        page.until("document.querySelectorAll('.grid-body .row').length === 3", "three rows")
        for each in resting:
            recorded(rest, each, status="open")
        page.choose("select[name=status]", "")
        page.click(".filters button.danger")
        page.shown("dialog[open]")
        page.press("Escape")
        page.until("document.querySelector('dialog[open]') === null", "left")
        assert _status(rest, resting[0]) == "open"
        page.click(".filters button.danger")
        page.click("dialog button.main")
        page.until("document.querySelector('.note')?.innerText.startsWith('3 canceled')", "what became of it")
    assert {_status(rest, each) for each in resting} == {"canceled"}


def test_stop_that_fires_is_told_with_the_price_that_was_seen(console: OpenPage, instance: Instance) -> None:
    with console("#/trade") as page:
        page.choose("select[name=kind]", "stop")
        page.fill("input[name=amount]", "2")
        page.fill("input[name=triggerPrice]", "140")
        page.click("form.order button.main", text="Preview")
        page.shown("dialog[open]")
        assert "once the mark is at or below 140" in page.text("dialog")
        page.click("dialog button.main")
        page.until("location.hash.startsWith('#/order/')", "the order's page")
        page.until(f"{_LAST} === 'open'", "resting")
        _market(instance, "move", "SOL/USDC", "--path", "135,135,135")
        page.until(f"{_LAST} === 'confirmed'", "fired and confirmed")
        told = [line for line in page.text(".lanes").splitlines() if "saw" in line]
        assert len(told) == 1
        page.run("location.hash = '#/health'")
        page.until("document.querySelector('.tiles table') !== null", "health")
    _market(instance, "move", "SOL/USDC", "--path", "150")


_LAST = "document.querySelector('.event:last-child strong')?.innerText"


def _amend(rest: httpx.Client, order_id: str, **changes: str) -> None:
    answer = rest.patch(f"/orders/{order_id}", json=changes)
    assert answer.status_code == 200, answer.text


def _status(rest: httpx.Client, order_id: str) -> str:
    return str(rest.get(f"/orders/{order_id}").json()["status"])


def _market(instance: Instance, *words: str) -> None:
    command = [sys.executable, "-m", "infra.cli", "market", *words]
    environment = {**os.environ, "ORDERFLOW_HOME": str(instance.state_dir)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_orders_that_cannot_be_canceled_with_all_others_yet_are_told_of(
    console: OpenPage, rest: httpx.Client, instance: Instance
) -> None:
    order_id = submit(rest, type="limit", side="buy", amount="1", limitPrice="20")
    recorded(rest, order_id, status="open")
    engine = make_engine(instance.status()["database_url"])
    with console("#/orders?type=limit") as page:
        with engine.connect() as holds:
            holds.execute(text("SELECT FROM orders WHERE order_id = :id FOR UPDATE"), {"id": order_id})
            page.click(".filters button.danger")
            page.click("dialog button.main")
            page.until("document.querySelector('.note')?.innerText.includes('others cannot')", "what is left")
        engine.dispose()
    assert rest.delete(f"/orders/{order_id}").json()["status"] == "canceled"
