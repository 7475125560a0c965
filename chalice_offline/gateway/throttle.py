"""API Gateway's token bucket: a steady rate, and a burst on top of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """A bucket that starts full and refills at ``rate_per_s`` up to ``burst``. The caller brings the time."""

    rate_per_s: float
    burst: int
    _tokens: float = field(init=False)
    _refilled_at_ms: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def take(self, now_ms: int, count: int = 1) -> bool:
        """Take so many tokens; False when there are fewer, and then nothing is taken."""
        if now_ms != self._refilled_at_ms:
            if self._refilled_at_ms is not None:
                gained = max(0, now_ms - self._refilled_at_ms) * self.rate_per_s / 1000
                self._tokens = min(float(self.burst), self._tokens + gained)
            self._refilled_at_ms = now_ms
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def give_back(self, count: int) -> None:
        """Undo what was taken just now."""
        self._tokens += count
