"""Where a deployment goes: an AWS account, or an emulator on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import localstack_client.session
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.config import ConfigurationError
from infra.deploy.running_emulator import running_credentials
from infra.loopback import LOOPBACK, past_proxies
from infra.region import region_of

EMULATOR_URL: Final = "http://127.0.0.1:4566"
"""Where MiniStack and LocalStack listen by default."""


# What other emulators take.
_TEST_CREDENTIALS: Final = ("test", "test")
_LOCALSTACK_HOST: Final = "localhost.localstack.cloud"
"""LocalStack, from its containers and from this machine alike."""

# Longer than the longest function, which is invoked synchronously; all else answers in seconds.
_FUNCTION_TIME_LIMIT_S: Final = 910
_READ_TIME_LIMIT_S: Final = 60


class Target(StrEnum):
    AWS = "aws"
    MINISTACK = "ministack"
    LOCALSTACK = "localstack"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One target, with the clients that reach it. ``endpoint`` is empty on AWS."""

    target: Target
    session: Any
    endpoint: str = ""

    @classmethod
    def of(cls, target: Target, environment: Mapping[str, str]) -> "Cloud":
        """Return the target as the environment describes it.

        An emulator gets its own credentials or test ones, whatever the shell holds, and AWS never gets
        ``AWS_ENDPOINT_URL``: neither can be mistaken for the other.

        Raises:
            ConfigurationError: AWS is meant, and neither the environment nor its profile names a region.
            BotoCoreError: There is no such profile.
        """
        if target is Target.AWS:
            session = boto3.Session(region_name=region_of(environment))
            if session.region_name is None:
                raise ConfigurationError("no region: AWS_REGION names one, or the profile (AWS_PROFILE)")
            return cls(target, session)
        endpoint = environment.get("AWS_ENDPOINT_URL") or EMULATOR_URL
        region = region_of(environment) or "us-east-1"
        key, secret = running_credentials(environment, endpoint) or _TEST_CREDENTIALS
        session = localstack_client.session.Session(
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=None,
            region_name=region,
            localstack_host=urlsplit(endpoint).netloc,
        )
        return cls(target, session, endpoint)

    def client(self, service: str) -> Any:
        # Not named in the stubs; see botocore's documentation of Config.
        options: dict[str, Any] = {"ignore_configured_endpoint_urls": True, **past_proxies(self.endpoint)}
        # A migration says nothing for minutes, and a router forgets a connection that is as silent.
        limit_s = _FUNCTION_TIME_LIMIT_S if service == "lambda" else _READ_TIME_LIMIT_S
        config = Config(read_timeout=limit_s, tcp_keepalive=True, **options)
        return self.session.client(service, config=config)

    @property
    def is_emulated(self) -> bool:
        return self.target is not Target.AWS

    def identity(self) -> Mapping[str, str]:
        """Return whose keys these are, ``Account`` and ``Arn``; no right is needed to ask."""
        found: Mapping[str, str] = self.client("sts").get_caller_identity()
        return found

    def has_websocket_apis(self) -> bool:
        """Return whether the target serves WebSocket APIs.

        LocalStack, which is asked, does with a token only.
        """
        if self.target is not Target.LOCALSTACK:
            return True
        try:
            self.client("apigatewayv2").get_apis(MaxResults="1")
        except ClientError:
            return False
        return True

    @property
    def endpoint_of_functions(self) -> str:
        """Where functions find the emulator; empty on AWS.

        LocalStack runs them in containers, where its name leads to it, and loopback to themselves.
        """
        address = urlsplit(self.endpoint)
        if self.target is Target.LOCALSTACK and address.hostname in LOOPBACK:
            return f"{address.scheme}://{_LOCALSTACK_HOST}:{address.port or 4566}"
        return self.endpoint

    def websocket_url(self, outputs: Mapping[str, str]) -> str:
        """Return the URL that clients connect to."""
        if not self.is_emulated:
            return outputs["WebsocketConnectEndpointURL"].rstrip("/")
        api_id = outputs["WebsocketAPIId"]
        if self.target is Target.LOCALSTACK:
            own = str(self.client("apigatewayv2").get_api(ApiId=api_id).get("ApiEndpoint", ""))
            # It gives an API a port of its own (https://docs.localstack.cloud/aws/services/apigateway/).
            if urlsplit(own).hostname in LOOPBACK:
                return f"{own.rstrip('/')}/ws"
        return f"ws://{urlsplit(self.endpoint).netloc}/_aws/execute-api/{api_id}/ws"

    def rest_url(self, outputs: Mapping[str, str]) -> str:
        """Return the URL that REST paths are appended to."""
        if not self.is_emulated:
            return outputs["EndpointURL"].rstrip("/")
        return f"{self.endpoint}/_aws/execute-api/{outputs['RestAPIId']}/api"
