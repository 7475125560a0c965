"""What REST authorizers answered, as long as API Gateway keeps it.

One answer serves all routes of an authorizer, by the token alone: a policy that allows the route it was asked
for and no other refuses the next one. https://docs.aws.amazon.com/apigateway/latest/api/API_Authorizer.html
"""

from typing import Final, NamedTuple

from chalice_offline.invocation import Returned

TTL_S: Final = 300
"""Unless an authorizer says otherwise."""
_TTL_S_MAX: Final = 3600
_KEPT_MAX: Final = 1_000


class KeptAnswer(NamedTuple):
    """What an authorizer answered.

    Attributes:
        let_in: Whether it let the request in for which it was asked.
    """

    outcome: Returned
    let_in: bool


class AuthorizerAnswers:
    """Answers by authorizer and token."""

    def __init__(self) -> None:
        # With the time at which each is forgotten; the one that was asked for longest ago first.
        self._kept: dict[tuple[str, str], tuple[float, KeptAnswer]] = {}

    def find(self, authorizer: str, token: str, *, now_s: float) -> KeptAnswer | None:
        """Return what the authorizer answered for this token, None if it has to be asked."""
        until_s, answer = self._kept.get((authorizer, token), (0.0, None))
        return answer if now_s < until_s else None

    def keep(self, authorizer: str, token: str, answer: KeptAnswer, *, now_s: float, ttl_s: float) -> None:
        """Keep an answer for so long, not at all for 0."""
        self._kept.pop((authorizer, token), None)
        self._kept[authorizer, token] = (now_s + min(ttl_s, _TTL_S_MAX), answer)
        if len(self._kept) > _KEPT_MAX:
            del self._kept[next(iter(self._kept))]
