"""Bearer tokens: JSON Web Tokens (RFC 7519), read the strict way that RFC 8725 asks for."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import jwt

from chalicelib.adapters.jwt_keys import UNREADABLE
from chalicelib.domain.errors import Code, UnauthorizedError
from chalicelib.domain.principals import LOCAL_ACCOUNT, OPERATOR_SCOPE, Principal, is_account_id
from chalicelib.logs import logger

TOKEN_CHARS_MAX: Final = 4_096
"""As much as a connection URL may have on AWS, so no longer token can work everywhere."""

_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_MOMENTS: Final = ("exp", "nbf", "iat")


class VerificationKeys(Protocol):
    def named(self, key_id: str | None) -> Sequence[Any]:
        """Return the keys, one at least, of which one must have signed a token with this ``kid``.

        Raises:
            LookupError: There is no such key.
            RetryableError: The keys cannot be had now.
        """
        ...


class JwtVerifier:
    """Turns a token into the account that its issuer vouches for.

    One algorithm, one issuer and one audience are accepted: a token chooses none of them (RFC 8725, 3.1).
    """

    def __init__(
        self, keys: VerificationKeys, *, algorithm: str, issuer: str, audience: str, leeway_s: int
    ) -> None:
        self._keys = keys
        self._algorithm = algorithm
        self._issuer = issuer
        self._audience = audience
        self._leeway = timedelta(seconds=leeway_s)

    def verify(self, token: str) -> Principal:
        """Return whom a token stands for, and until when (its expiry plus the leeway).

        Raises:
            UnauthorizedError: ``UNAUTHORIZED`` for a token that is not good, ``FORBIDDEN`` for a good one
                whose subject cannot be an account. The reason goes to the log alone, the token nowhere.
            RetryableError: The issuer's keys cannot be had now.
        """
        try:
            claims = self._claims(token)
        except UNREADABLE as error:  # an unknown key among it, or one of another algorithm
            logger.warning("token refused", reason=type(error).__name__)
            raise UnauthorizedError.bad_credential() from None
        account_id = claims["sub"]
        if not is_account_id(account_id) or account_id == LOCAL_ACCOUNT:
            # LOCAL_ACCOUNT is the account of all clients where no tokens are asked for; no token may name it.
            logger.warning("token refused", reason="subject")
            raise UnauthorizedError(Code.FORBIDDEN, "the credential's subject cannot be an account")
        until = datetime.fromtimestamp(claims["exp"], UTC) + self._leeway
        return Principal(account_id, until, is_operator=OPERATOR_SCOPE in _scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_CHARS_MAX:
            raise jwt.InvalidTokenError
        key_id = jwt.get_unverified_header(token).get("kid")
        *others, key = self._keys.named(key_id if isinstance(key_id, str) else None)
        for other in others:
            with suppress(*UNREADABLE):  # another key of this name has signed it, or none
                return self._claims_by(token, other)
        return self._claims_by(token, key)

    def _claims_by(self, token: str, key: Any) -> dict[str, Any]:
        claims = jwt.decode(
            token,
            key,
            algorithms=[self._algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway,
            options={"require": list(_REQUIRED)},
        )
        # PyJWT takes texts of digits too, " 1_000 " among them, which are no moments (RFC 7519, 2).
        if any(isinstance(claims.get(each), bool | str) for each in _MOMENTS):
            raise jwt.InvalidTokenError
        # A year that no calendar has would escape as an overflow below.
        if not 0 <= int(claims["exp"]) < 2**36:
            raise jwt.InvalidTokenError
        return claims | {"exp": int(claims["exp"])}


def _scopes(claims: dict[str, Any]) -> list[str]:
    """Return a token's scopes: ``scope``, words in one text (RFC 8693, 4.2).

    Some issuers list them in ``scp``.
    """
    text, listed = claims.get("scope"), claims.get("scp")
    words = text.split(" ") if isinstance(text, str) else []
    return (
        [*words, *(each for each in listed if isinstance(each, str))] if isinstance(listed, list) else words
    )
