"""Takes the README's pictures of the console: ``python -m tests.browser.pictures docs``.

A runtime of its own, some orders of each kind, then the list in light and an order's story in dark. Look at
them before they are committed.
"""

import sys
import tempfile
from pathlib import Path

import httpx

from tests.browser.chromium import Chromium, path_of_chromium
from tests.browser.conftest import LATENCIES, submit
from tests.e2e.conftest import an_instance

ORDERS = (
    {"type": "limit", "side": "sell", "amount": "1.25", "limitPrice": "151"},
    {"type": "limit", "side": "buy", "amount": "2", "limitPrice": "147.25"},
    {"side": "sell", "amount": "4", "trigger": {"price": "126", "when": "below"}},
    {"type": "limit", "side": "buy", "baseAsset": "JUP", "quoteAsset": "USDC", "amount": "500",
     "limitPrice": "0.45"},
    {"side": "buy", "amount": "7"},
    {"side": "sell", "amount": "9"},
    {"side": "sell", "amount": "0.1", "slippageBps": 0},
    {"inputToken": "USDC", "outputToken": "BONK", "amount": "5000"},
    {"inputToken": "SOL", "outputToken": "BONK", "amount": "900"},
)  # fmt: skip
"""The last one is the order whose story is shown: it splits, and goes by way of a second token."""


def main(folder: Path) -> None:
    path = path_of_chromium()
    assert path is not None, "no Chromium on this machine"
    with tempfile.TemporaryDirectory() as scratch:
        browser = Chromium(path, Path(scratch) / "profile")
        try:
            with (
                an_instance(Path(scratch) / "state", environment=LATENCIES) as instance,
                httpx.Client(base_url=instance.rest_url, timeout=60) as rest,
            ):
                *_, last = [submit(rest, **each) for each in ORDERS]
                while rest.get(f"/orders/{last}").json().get("status") != "confirmed":
                    pass
                console = f"{instance.rest_url}/console"
                with browser.page(width=1280, height=520) as page:
                    page.open(f"{console}#/orders")
                    page.until(f"document.querySelectorAll('.grid-body .row').length >= {len(ORDERS)}")
                    page.until("!document.querySelector('.count').innerText.includes('catching')")
                    page.until(
                        "![...document.querySelectorAll('.distance')].some((each) => each.innerText === '?')"
                    )
                    page.screenshot(folder / "console-orders.png")
                with browser.page(width=1280, height=900, dark=True) as page:
                    page.open(f"{console}#/order/{last}")
                    page.shown("svg.route")
                    page.screenshot(folder / "console-order.png")
        finally:
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
