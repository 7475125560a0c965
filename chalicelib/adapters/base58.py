"""Base58 as Solana writes addresses and signatures (Bitcoin's alphabet, no checksum).

The ``base58`` package, which had its last release in 2021, takes
twice the time, and each order writes a signature.
"""

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Two digits at a time: half of the divisions, each through the whole number.
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
_DIGITS: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_PAIR_DIGITS: Final = {pair: digit for digit, pair in enumerate(_PAIRS)}
_AT_ONCE: Final = 8
"""Digits that become one small number before the whole is multiplied, which is what costs."""

TEXT_MAX: Final = 2_000
"""No text longer than this is decoded: the work grows with the square of the length."""


def encode(raw: bytes) -> str:
    """Return the base58 text; each leading zero byte becomes a leading ``1``."""
    number = int.from_bytes(raw)
    pairs: list[str] = []
    while number:
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(pairs)).removeprefix("1")


def decode(text: str) -> bytes:
    """Return the bytes that a text stands for.

    Raises:
        ValueError: A character is not of the alphabet, or the text is longer than ``TEXT_MAX``.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"base58 text of {len(text)} characters is longer than {TEXT_MAX}")
    number, whole, base = 0, len(text) - len(text) % _AT_ONCE, len(_PAIRS)
    try:
        for at in range(0, whole, _AT_ONCE):
            part = 0
            for pair in range(at, at + _AT_ONCE, 2):
                part = part * base + _PAIR_DIGITS[text[pair : pair + 2]]
            number = number * 58**_AT_ONCE + part
        for letter in text[whole:]:
            number = number * 58 + _DIGITS[letter]
    except KeyError:
        wrong = next(letter for letter in text if letter not in _DIGITS)
        raise ValueError(f"not a base58 character: {wrong!r}") from None
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
