"""The user pools that the managed emulator has, for the gateway to judge tokens by."""

import asyncio
import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

from chalice_offline.gateway.settings import PoolKeys
from chalice_offline.logs import Log

# A pool's keys stay the same; one may be made while the app runs.
_KNOWN_S: Final = 300.0
_UNKNOWN_S: Final = 2.0
_TIMEOUT_S: Final = 10.0
# What MiniStack says of a pool where it has no means to sign (the package ``cryptography``).
_NO_KEY: Final = "ministack-key-1"
_UNSIGNED: Final = (
    "tokens are taken unverified, forged ones too, since the emulator cannot sign: "
    "pip install cryptography beside chalice-offline"
)


class UserPools:
    """Finds pools at the emulator, and remembers them for a while."""

    def __init__(self, endpoint: str, aws: Mapping[str, str], log: Log) -> None:
        """Take region and credentials as environment variables."""
        self._endpoint = endpoint
        self._aws = aws
        self._log = log
        self._unsigned: set[str] = set()
        self._found: dict[str, tuple[float, PoolKeys | None]] = {}

    async def find(self, pool_id: str) -> PoolKeys | None:
        """Return a pool's keys, none of one that does not sign; None if there is no such pool."""
        now = time.monotonic()
        good_until, keys = self._found.get(pool_id, (0.0, None))
        if now >= good_until:
            keys = await asyncio.to_thread(self._asked, pool_id)
            self._found[pool_id] = now + (_UNKNOWN_S if keys is None else _KNOWN_S), keys
        if keys is not None and not keys and pool_id not in self._unsigned:
            self._unsigned.add(pool_id)
            self._log.event("warning", _UNSIGNED, user_pool=pool_id)
        return keys

    def _asked(self, pool_id: str) -> PoolKeys | None:
        from botocore.auth import SigV4Auth  # noqa: PLC0415  # as in aws_client
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        url = f"{self._endpoint}/{pool_id}/.well-known/jwks.json"
        credentials = Credentials(self._aws["AWS_ACCESS_KEY_ID"], self._aws["AWS_SECRET_ACCESS_KEY"])
        asked = AWSRequest("GET", url)
        SigV4Auth(credentials, "cognito-idp", self._aws["AWS_REGION"]).add_auth(asked)
        request = urllib.request.Request(url, headers=dict(asked.headers))  # noqa: S310  # our own emulator
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                document = json.load(answer)
            return _keys(document)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _keys(document: Mapping[str, list[Mapping[str, str]]]) -> PoolKeys:
    return {
        key["kid"]: (_number(key["n"]), _number(key["e"]))
        for key in document["keys"]
        if key["kid"] != _NO_KEY
    }


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
