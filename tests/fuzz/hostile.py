"""Frames, bodies and queries that no client should send: from noise to almost right."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

NAMES: Final = (
    *(
        "action",
        "requestId",
        "orderId",
        "afterSeq",
        "inputToken",
        "outputToken",
        "amount",
        "side",
        "baseAsset",
    ),
    *(
        "quoteAsset",
        "swapMode",
        "slippageBps",
        "clientOrderId",
        "type",
        "limitPrice",
        "timeInForce",
        "expiresAt",
    ),
    *("validForSeconds", "accountId", "__proto__", "$where", "", "é", "limit", "cursor", "status", "token"),
)
ACTIONS: Final = ("submit", "subscribe", "unsubscribe", "cancel", "quote", "ping", "$connect", "drop", "")
TEXTS: Final = (
    *(
        "SOL",
        "USDC",
        "BONK",
        "market",
        "limit",
        "sell",
        "buy",
        "exactIn",
        "exactOut",
        "ioc",
        "gtc",
        "1.5",
        "0",
    ),
    *(
        "-1",
        "1e400",
        "NaN",
        "Infinity",
        "0x10",
        "１２",
        "1.0000000000000000001",
        "9" * 100,
        "00.10",
        "1.",
        ".5",
    ),
    *("' OR 1=1 --", "'; DROP TABLE orders; --", "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd", "%s%n"),
    *("\x00", "\ud800", "\u202e", "💥" * 20, "a" * 129, "a" * 600, "\r\nSet-Cookie: x=1", "<script>"),
    *("00000000-0000-0000-0000-000000000000", "01a1fbd8-a21d-7121-ab82-6bf5a9e707ad", "not-a-uuid"),
)
NUMBERS: Final = (0, 1, -1, 50, 10_000, 10_001, 2**31, 2**63, 2**64, -(2**63), 10**300, 0.1, 1e308, -0.0)
RAW: Final = (
    *(
        "",
        " ",
        "null",
        "true",
        "[]",
        "[[]]",
        '"text"',
        "1",
        "{",
        "}",
        "{}",
        "{]",
        '{"a":}',
        "\ufeff{}",
        "{'a':1}",
    ),
    *('{"a":1}{"b":2}', '{"action":"ping","action":"submit"}', '{"amount":NaN}', '{"amount":-Infinity}'),
    *(
        '{"amount":' + "9" * 5_000 + "}",
        '{"a":' + "[" * 3_000,
        '{"a":"' + "x" * 20_000 + '"}',
        '{"\\ud800":1}',
    ),
    *(
        '{"action":"submit","amount":1e999999999,"side":"sell"}',
        '{"action":"submit","amount":0.1e1,"side":"sell"}',
    ),
)


class Hostile:
    """A source of messages; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._kinds: tuple[Callable[[], str], ...] = (
            self._raw,
            self._members,
            self._members,
            self._almost,
            self._almost,
            self._cut,
            self._noise,
        )

    def message(self) -> str:
        return self._dice.choice(self._kinds)()

    def query(self) -> dict[str, str]:
        """Return a connection URL's query."""
        chosen = self._dice.sample(NAMES[:-1], self._dice.randint(0, 4))
        return {name: str(self._dice.choice((*TEXTS, *NUMBERS))) for name in chosen}

    def value(self, depth: int = 0) -> Any:
        if depth < 3 and self._dice.random() < 0.1:
            size = self._dice.randint(0, 3)
            if self._dice.random() < 0.5:
                return [self.value(depth + 1) for _ in range(size)]
            return {self._dice.choice(NAMES): self.value(depth + 1) for _ in range(size)}
        return self._dice.choice((*TEXTS, *NUMBERS, None, True, False))

    def _raw(self) -> str:
        return self._dice.choice(RAW)

    def _members(self) -> str:
        chosen = self._dice.sample(NAMES, self._dice.randint(1, 6))
        return json.dumps({name: self.value() for name in chosen})

    def _almost(self) -> str:
        """Return a sound message with one or two things wrong."""
        sound: dict[str, Any] = self._dice.choice(
            (
                {"action": "quote", "side": "sell", "amount": "0.001"},
                {"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.001"},
                {"action": "subscribe", "orderId": "01a1fbd8-a21d-7121-ab82-6bf5a9e707ad", "afterSeq": 0},
                {"action": "cancel", "orderId": "01a1fbd8-a21d-7121-ab82-6bf5a9e707ad"},
                {"action": "ping", "requestId": "r"},
            )
        )
        wrong = {self._dice.choice(tuple(sound)): self.value() for _ in range(self._dice.randint(1, 2))}
        return json.dumps(sound | wrong | {"action": self._dice.choice((sound["action"], *ACTIONS))})

    def _cut(self) -> str:
        text = self._almost()
        at = self._dice.randrange(len(text))
        return (
            text[:at]
            + self._dice.choice(("", "\\", '"', "\x00", "}"))
            + text[at + self._dice.randint(0, 3) :]
        )

    def _noise(self) -> str:
        size = self._dice.randint(0, 60)
        return "".join(
            chr(self._dice.choice((self._dice.randrange(128), 0xE9, 0x1F4A5))) for _ in range(size)
        )
