"""Base58 as Solana writes addresses and signatures (Bitcoin's alphabet, no checksum).

The ``base58`` package, which had its last release in 2021, takes
twice the time, and each order writes a signature.
"""

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Two digits at a time: half of the divisions, each through the whole number.
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
_DIGITS: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}

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
    number = 0
    for letter in text:
        if letter not in _DIGITS:
            raise ValueError(f"not a base58 character: {letter!r}")
        number = number * 58 + _DIGITS[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
