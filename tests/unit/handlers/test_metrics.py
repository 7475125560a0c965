"""The numbers for a scraper: for whom, when, and that the dashboard asks for what there is."""

import json
import re
from pathlib import Path

import pytest
from chalice.app import Request

from chalicelib.config import Settings
from chalicelib.domain.market_prices import MarketPrices, PairPrices
from chalicelib.domain.principals import OPERATOR_SCOPE
from chalicelib.domain.tokens import TokenPair
from chalicelib.domain.transactions import ChainHealth
from chalicelib.handlers import metrics
from tests.fakes.operations import AT, FakeOperations
from tests.support.instance import REPOSITORY
from tests.unit.handlers.conftest import ENVIRONMENT, Wired
from tests.unit.handlers.test_operator import FakeRules, request

DASHBOARD = REPOSITORY / "infra" / "deploy" / "grafana.json"


class FakeMarkets:
    def read(self) -> MarketPrices:
        pairs = [PairPrices(TokenPair("BONK", "USDC"), 1, None, None, None)]
        return MarketPrices(pairs, AT, 1_500, 28, {"dlmm": "did not answer"})


@pytest.fixture
def operations(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> FakeOperations:
    fake = FakeOperations()
    wired.services.settings = Settings.from_env(ENVIRONMENT | {"METRICS": "1"})
    vars(wired.services).update(
        operations=fake,
        queue_depths=fake,
        audit_rules=FakeRules(),
        read_markets=FakeMarkets(),
        check_chain=lambda: ChainHealth(slot=7, age_s=2, pools=5, refused=1),
    )
    monkeypatch.setattr(metrics, "services", lambda: wired.services)
    return fake


def scraped(asked: Request | None = None) -> str:
    response = metrics.metrics(asked or request(OPERATOR_SCOPE))
    assert response.status_code == 200
    assert str(response.headers["Content-Type"]).startswith("application/openmetrics-text; version=1.0.0")
    return str(response.body)


@pytest.mark.usefixtures("operations")
def test_metrics_say_how_orders_fare() -> None:
    lines = scraped().splitlines()
    assert {
        'orderflow_accepted_to_claimed_seconds_bucket{le="0.05"} 1',
        'orderflow_accepted_to_claimed_seconds_bucket{le="+Inf"} 2',
        "orderflow_accepted_to_confirmed_seconds_gsum 1.2",
        'orderflow_recent_events{status="confirmed",type="market"} 1',
        'orderflow_recent_failures{code="NO_ROUTE"} 1',
        'orderflow_recent_refusals{code="INVALID_REQUEST"} 6',
        'orderflow_unfinished_orders{status="open",type="limit"} 7',
        'orderflow_queue_messages{queue="orders",state="in_flight"} 2',
        "orderflow_consumers 2",
        "orderflow_oldest_message_taken_seconds 1.5",
        "orderflow_connections 5",
        'orderflow_audit_rule_violations{rule="a-rule"} 1',
        'orderflow_scrape_problems{part="recent"} 0',
        "orderflow_price_age_seconds 1.5",
        'orderflow_price_missing{pair="BONK/USDC"} 1',
        "orderflow_venues_left_out 1",
        "orderflow_chain_height 28",
        "orderflow_chain_age_seconds 2",
        'orderflow_chain_pools{state="refused"} 1',
    } <= set(lines)
    assert lines[-1] == "# EOF"


def test_part_that_cannot_be_had_is_missing_and_counted(operations: FakeOperations) -> None:
    operations.is_down = True
    text = scraped()
    assert 'orderflow_scrape_problems{part="recent"} 1' in text
    assert 'orderflow_scrape_problems{part="queues"} 0' in text
    assert "orderflow_recent_events" not in text


def test_chain_in_the_database_has_no_age_of_its_own(wired: Wired, operations: FakeOperations) -> None:
    del operations
    vars(wired.services).update(check_chain=lambda: None)
    text = scraped()
    assert "orderflow_chain_age_seconds" not in text
    assert 'orderflow_scrape_problems{part="chain"} 0' in text


@pytest.mark.usefixtures("operations")
def test_metrics_are_for_operators_alone() -> None:
    assert metrics.metrics(request("openid")).status_code == 403
    assert metrics.metrics(request(None)).status_code == 403


def test_metrics_that_are_off_are_not_there(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "services", lambda: wired.services)
    refused = metrics.metrics(request(OPERATOR_SCOPE))
    assert (refused.status_code, json.loads(refused.body)["code"]) == (404, "NOT_FOUND")


@pytest.mark.usefixtures("operations")
def test_dashboard_asks_for_every_metric_and_for_no_other() -> None:
    families = set(re.findall(r"^# TYPE (\S+)", scraped(), re.MULTILINE))
    asked = re.findall(r"orderflow_[a-z_]+", Path(DASHBOARD).read_text(encoding="utf-8"))
    assert {name.removesuffix("_bucket") for name in asked} == families
