"""SQS as moto answers it, behind the port that our adapter speaks to; only within ``mock_aws``."""

from collections.abc import Mapping

import requests

from chalicelib.adapters.aws.endpoint import EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError


class Moto:
    """The port ``Endpoint`` on moto, which answers whatever ``requests`` sends;
    the first ``faults`` in vain.
    """

    def __init__(self) -> None:
        self.faults = 0

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        if self.faults:
            self.faults -= 1
            raise NoAnswerError
        # moto reads region and service from the signature's scope.
        signed = {
            **headers,
            "authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/sqs/aws4_request",
        }
        url = f"https://sqs.us-east-1.amazonaws.com{path}"
        answer = requests.request(method, url, data=body, headers=signed, timeout=time_limit_s)
        return EndpointAnswer(answer.status_code, answer.content)
