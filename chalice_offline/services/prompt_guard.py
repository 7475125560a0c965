"""The guard's yes to the usual queue calls, for a quarter of its time.

What all calls of one caller share, which is everything of a signature but the moment and the digest, is
found out once. Where the guard says yes this does too, and otherwise nothing: a call that is not let in is
refused by the guard, which knows why.
"""

import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from typing import Final, NamedTuple

from ministack.core import sigv4

from chalice_offline.callers import is_loopback_host
from chalice_offline.services.emulator_guard import Guard, GuardRefusal, claim_of

_SERVICE: Final = "sqs"
# As MiniStack has it for SQS.
_TIMELY_S: Final = 15 * 60
_CALLERS_KEPT: Final = 64
_SIGNATURE: Final = b", Signature="
_NOTHING: Final = repeat(b"")
_MOMENT: Final = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


class _Caller(NamedTuple):
    """What the calls of one caller on one day have in common.

    Attributes:
        day: As ``20260101``.
        names: Of the headers that are signed.
        canonical: The canonical request, with a place for the value of each of them, and for the digest.
        scope: As it is signed, between line breaks.
        key: The signing key, at work: copied for each call.
    """

    day: bytes
    names: tuple[bytes, ...]
    canonical: bytes
    scope: bytes
    key: hmac.HMAC


class PromptGuard:
    """Knows the callers of one guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._caller = lru_cache(maxsize=_CALLERS_KEPT)(self._found)

    def lets_in(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Tell whether a POST to ``/``, which came from no browser, is surely let in.

        Args:
            headers: Names in lower case.
        """
        said, _, signature = headers.get(b"authorization", b"").rpartition(_SIGNATURE)
        caller = self._caller(said) if said else None
        moment = headers.get(b"x-amz-date", b"")
        if (
            caller is None
            or moment[:8] != caller.day
            or abs(time.time() - _seconds(moment)) > _TIMELY_S
            or b"x-amz-content-sha256" in headers
            or not _is_loopback(headers.get(b"host", b""))
        ):
            return False
        digest = sha256(body).hexdigest().encode()
        canonical = caller.canonical % (*map(headers.get, caller.names, _NOTHING), digest)
        mac = caller.key.copy()
        mac.update(b"AWS4-HMAC-SHA256\n" + moment + caller.scope + sha256(canonical).hexdigest().encode())
        return hmac.compare_digest(mac.hexdigest().encode(), signature)

    def _found(self, said: bytes) -> _Caller | None:
        """Return who signs so, up to the signature itself, None if it is no caller of SQS with
        credentials that are always good.
        """
        authorization = (said + _SIGNATURE + b"0").decode("latin-1")
        # Any moment: that of a call is looked at with the call.
        claim = claim_of({"authorization": authorization, "x-amz-date": "20260101T000000Z"}, {})
        if isinstance(claim, GuardRefusal) or claim.service != _SERVICE:
            return None
        secret = self._guard.secrets.get(claim.access_key_id)
        if secret is None or self._guard.refusal_of_claim(claim) is not None:
            return None
        scope = f"\n{claim.date_stamp}/{claim.region}/{claim.service}/aws4_request\n"
        key = sigv4.derive_signing_key(secret, claim.date_stamp, claim.region, claim.service)
        names = tuple(name.encode() for name in claim.signed_headers.split(";") if name)
        lines = [name.replace(b"%", b"%%") + b":%b" for name in names]
        shown = claim.signed_headers.encode().replace(b"%", b"%%")
        return _Caller(
            claim.date_stamp.encode(),
            names,
            b"\n".join((b"POST", b"/", b"", *lines, b"", shown, b"%b")),
            scope.encode(),
            hmac.new(key, digestmod="sha256"),
        )


@lru_cache(maxsize=64)
def _is_loopback(host: bytes) -> bool:
    return is_loopback_host(host.decode("latin-1").lower(), takes_subdomains=True)


@lru_cache(maxsize=8)
def _seconds(moment: bytes) -> float:
    """Return a moment's Unix time, 0 if it is none."""
    found = _MOMENT.fullmatch(moment)
    return timegm(tuple(map(int, found.groups()))) if found else 0.0
