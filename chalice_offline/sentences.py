"""Lines that read like sentences: how a project wants some of its functions' messages shown.

A template stands for the messages of one text. Its words are shown as the entry's facts fill them; a word
whose fact the entry does not have is left out, and so is every fact that no word names: ``--json-logs`` shows
all of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from string import Formatter
from typing import Any, Final, NamedTuple, Self

_FORMATTER: Final = Formatter()
_KINDS_KEPT: Final = 256
_BOTH_ENDS: Final = re.compile(r"([1-9]\d?)…([1-9]\d?)")


class TemplateError(ValueError):
    """A template that cannot be filled, whatever the facts are."""


class Sentences:
    """Templates by message, such as ``{"parcel sent": "{parcel_id:.8} sent  {weight} kg by={carrier}"}``.

    A field is a fact's name, and may say a width and a precision, as Python formats text; or ``8…4`` for so
    many characters of its beginning and of its end, as ids need that begin alike.
    """

    def __init__(self, templates: Mapping[str, str] | None = None) -> None:
        """Read the templates.

        Raises:
            TemplateError: One of them is none.
        """
        self._words: Final = {
            message: [_word(word) for word in template.split(" ")]
            for message, template in (templates or {}).items()
        }
        self._kind_of: Final = lru_cache(maxsize=_KINDS_KEPT)(self._kind_with)

    def of(self, entry: Mapping[str, Any]) -> str | None:
        """Return the sentence of an entry; None if its message has no template."""
        message = entry.get("message")
        if not isinstance(message, str) or message not in self._words:
            return None
        kind = self._kind_of(message, tuple(entry))
        values = [entry[name] for name in kind.names]
        if None in values:
            found = [text for parts in kind.words if (text := _filled(parts, entry)) is not None]
            return " ".join(found).rstrip()
        shown = [
            form(value if isinstance(value, str) else str(value))
            for form, value in zip(kind.forms, values, strict=True)
        ]
        return (kind.pattern % tuple(shown)).rstrip()

    def _kind_with(self, message: str, facts: tuple[str, ...]) -> "_Kind":
        """Return what all lines have in common that have the same message and facts."""
        return _Kind.of(
            [
                parts
                for parts in self._words[message]
                if all(name is None or name in facts for _, name, _ in parts)
            ]
        )


_Word = list[tuple[str, str | None, Callable[[str], str]]]


class _Kind(NamedTuple):
    """The words of a template whose facts there are.

    Attributes:
        pattern: All of them in one, for Python's ``%``, with a place for each fact.
        names, forms: Of the facts, in their order: what they are called, and what formats them.
    """

    words: Sequence[_Word]
    pattern: str
    names: Sequence[str]
    forms: Sequence[Callable[[str], str]]

    @classmethod
    def of(cls, words: Sequence[_Word]) -> Self:
        pattern = " ".join(
            "".join(text.replace("%", "%%") + ("" if name is None else "%s") for text, name, _ in parts)
            for parts in words
        )
        facts = [(name, form) for parts in words for _, name, form in parts if name is not None]
        return cls(words, pattern, [name for name, _ in facts], [form for _, form in facts])


def _word(word: str) -> _Word:
    """Return a word's parts: text, the fact behind it, and what formats that."""
    try:
        parts = list(_FORMATTER.parse(word))
        for _, name, form, conversion in parts:
            if name is not None and (not name.isidentifier() or conversion is not None):
                raise TemplateError(f"{word}: a field names one fact, such as {{parcel_id:.8}}")
            _form(form or "")("text")
    except ValueError as error:
        raise TemplateError(f"{word}: {error}") from error
    return [(text, name, _form(form or "")) for text, name, form, _ in parts]


def _filled(parts: _Word, entry: Mapping[str, Any]) -> str | None:
    shown = []
    for text, name, form in parts:
        shown.append(text)
        if name is not None:
            value = entry.get(name)
            if value is None:
                return None
            shown.append(form(value if isinstance(value, str) else str(value)))
    return "".join(shown)


def _form(form: str) -> Callable[[str], str]:
    """Return what formats a fact's text."""
    ends = _BOTH_ENDS.fullmatch(form)
    if ends is None:
        return f"{{:{form}}}".format if form else str
    first, last = map(int, ends.groups())
    return lambda text: text if len(text) <= first + last + 1 else f"{text[:first]}…{text[-last:]}"
