"""Which account is calling, once its credential is verified."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

LOCAL_ACCOUNT: Final = "local"
"""Every client, where only this machine can reach the engine."""

OPERATOR_SCOPE: Final = "orderflow:operator"
"""The scope (RFC 6749, 3.3) of tokens whose holders run the engine."""

# Visible ASCII: it is a MessageGroupId as it stands, and no two accounts look alike.
_ACCOUNT_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Principal:
    """An account, and how long its word is good.

    Attributes:
        expires_at: From this moment the credential says nothing any more; None for one that never expires.
        is_operator: It may see queues, dead letters, the audit and metrics, which are of all accounts.
    """

    account_id: str
    expires_at: datetime | None = None
    is_operator: bool = False

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


def is_account_id(text: str) -> bool:
    """Return whether a credential's subject can name an account: 1 to 128 visible ASCII characters."""
    return _ACCOUNT_ID.fullmatch(text) is not None
