"""A consumer wired by the environment alone, with a queue of its own."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import botocore.session
import pytest
from moto import mock_aws

from chalicelib import bootstrap
from chalicelib.adapters.aws.sqs import SqsOrderQueue
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from tests.fakes.moto_sqs import Moto
from tests.integration.consumer import Consumer
from tests.support.busy_machine import PATIENCE
from tests.support.threads import ended_backgrounds

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(autouse=True)
def no_background_goes_on() -> Iterator[None]:
    with ended_backgrounds():
        yield


@pytest.fixture(scope="module")
def market_url(make_database: Callable[[], str]) -> str:
    """A database with an open market; every test has orders of its own in it."""
    url = make_database()
    engine = make_engine(url)
    seed(engine, load_market())
    engine.dispose()
    return url


@pytest.fixture
def consumer(market_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consumer]:
    with mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        client = cast(
            "SQSClient", botocore.session.get_session().create_client("sqs", region_name="us-east-1")
        )
        queue_url = client.create_queue(QueueName="orders")["QueueUrl"]
        environment = PATIENCE | {
            "DATABASE_URL": market_url,
            "ORDERS_QUEUE_URL": queue_url,
            "CONNECTIONS_URL": "http://127.0.0.1:9/ws",
            "PARTIAL_BATCH_RESPONSES": "1",
            "AUTH_MODE": "none",
            "LOCAL_GATEWAY_HOST": "127.0.0.1",
            "WALLET_SEED": "for tests",
            "MARKET_FAUCET": "1",
            "QUOTE_LATENCY_MS": "0",
            "SETTLEMENT_LATENCY_MS": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        bootstrap.services.cache_clear()
        services = bootstrap.services()
        services.queue = SqsOrderQueue(Moto(), queue_url)
        yield Consumer(client, queue_url, services)
        services.clients.executor.shutdown()
        services.engine.dispose()
        bootstrap.services.cache_clear()
