"""Clients of AWS's services for commands, which give up one that does not answer.

boto3 by itself asks five times and waits a minute each time.
"""

import os
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from infra.loopback import past_proxies
from infra.region import region_of

TIME_LIMIT_S: Final = 5.0
"""To connect, and for an answer: nothing that commands ask takes longer, or waits for something to come."""

_TRIES: Final = 3


def aws_client(service: str) -> Any:
    """Return a client of a service, where the environment says that it is.

    Raises:
        BotoCoreError: The environment names no region, or a profile that is not there.
        ValueError: It names an endpoint that is none.
    """
    proxies = Config(**past_proxies(os.environ.get("AWS_ENDPOINT_URL")))
    return boto3.Session(region_name=region_of(os.environ)).client(service, config=limits().merge(proxies))


def limits() -> Config:
    """Return how long a client waits."""
    return Config(
        connect_timeout=TIME_LIMIT_S,
        read_timeout=TIME_LIMIT_S,
        retries={"total_max_attempts": _TRIES, "mode": "standard"},
    )


def said(service: str, error: Exception) -> str:
    """Return what an error of a client says; of one that does not answer, with its name and its address."""
    is_silent = isinstance(error, HTTPClientError | NoConnectionError)
    return f"{service} does not answer: {error}" if is_silent else str(error)
