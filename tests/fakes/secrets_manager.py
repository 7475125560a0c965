"""Secrets Manager, which holds to the service's own description (botocore's model)."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
from botocore.validate import validate_parameters

from chalicelib.adapters.aws.endpoint import EndpointAnswer
from chalicelib.adapters.aws.secrets import LIFESPAN_S, Secrets

MODEL: Final[Any] = botocore.session.get_session().get_service_model("secretsmanager")


class FakeSecretsManager:
    """An ``Endpoint``.

    Attributes:
        values: Of its secrets, by ARN.
        failing: What it says in the place of answers, one after the other.
        fetches: How often it was asked.
    """

    def __init__(self, **values: str | bytes) -> None:
        self.values: dict[str, str | bytes] = dict(values)
        self.failing: list[EndpointAnswer | type[Exception]] = []
        self.fetches = 0
        self.now_s = 0.0
        self.slept: list[float] = []

    def secrets(self, **options: Any) -> Secrets:
        """Return what reads them, by a clock that stands still."""
        known: dict[str, Any] = {
            "lifespan_s": LIFESPAN_S,
            "sleep": self.slept.append,
            "monotonic": lambda: self.now_s,
        }
        return Secrets(lambda: self, **(known | options))

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        assert (method, path) == ("POST", "/")
        assert time_limit_s > 0
        assert headers["content-type"] == f"application/x-amz-json-{MODEL.metadata['jsonVersion']}"
        prefix, _, operation = headers["x-amz-target"].partition(".")
        assert (prefix, operation) == (MODEL.metadata["targetPrefix"], "GetSecretValue")
        asked = json.loads(body)
        validate_parameters(asked, MODEL.operation_model(operation).input_shape)
        self.fetches += 1
        if self.failing:
            said = self.failing.pop(0)
            if isinstance(said, EndpointAnswer):
                return said
            raise said
        arn = asked["SecretId"]
        if arn not in self.values:
            refusal = {"__type": "ResourceNotFoundException", "message": f"no {arn}"}
            return EndpointAnswer(400, json.dumps(refusal).encode())
        value = self.values[arn]
        kind, shown = (
            ("SecretString", value)
            if isinstance(value, str)
            else ("SecretBinary", base64.b64encode(value).decode())
        )
        return EndpointAnswer(200, json.dumps({"ARN": arn, "Name": "n", kind: shown}).encode())
