"""Base58 as Solana writes addresses and signatures (Bitcoin's alphabet, no checksum).

The ``base58`` package, which had its last release in 2021, takes
twice the time, and each order writes a signature.
"""

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
_DIGITS: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_PAIR_DIGITS: Final = {pair: digit for digit, pair in enumerate(_PAIRS)}
_AT_ONCE: Final = 8
"""Digits that make up one small number: to multiply or divide the whole is what costs."""
_EIGHT: Final = 58**_AT_ONCE
_FOUR: Final = 58**4
_TWO: Final = len(_PAIRS)

TEXT_MAX: Final = 2_000
"""No text longer than this is decoded: the work grows with the square of the length."""


def encode(raw: bytes) -> str:
    """Return the base58 text; each leading zero byte becomes a leading ``1``."""
    number, text = int.from_bytes(raw), ""
    while number:
        number, eight = divmod(number, _EIGHT)
        high, low = divmod(eight, _FOUR)
        text = f"{_PAIRS[high // _TWO]}{_PAIRS[high % _TWO]}{_PAIRS[low // _TWO]}{_PAIRS[low % _TWO]}{text}"
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "1" * zeros + text.lstrip("1")


def decode(text: str) -> bytes:
    """Return the bytes that a text stands for.

    Raises:
        ValueError: A character is not of the alphabet, or the text is longer than ``TEXT_MAX``.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"base58 text of {len(text)} characters is longer than {TEXT_MAX}")
    number, whole = 0, len(text) - len(text) % _AT_ONCE
    try:
        for at in range(0, whole, _AT_ONCE):
            part = 0
            for pair in range(at, at + _AT_ONCE, 2):
                part = part * _TWO + _PAIR_DIGITS[text[pair : pair + 2]]
            number = number * _EIGHT + part
        for letter in text[whole:]:
            number = number * 58 + _DIGITS[letter]
    except KeyError:
        wrong = next(letter for letter in text if letter not in _DIGITS)
        raise ValueError(f"not a base58 character: {wrong!r}") from None
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
