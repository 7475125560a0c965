"""Lines that read like sentences: how a project wants some of its functions' messages shown.

A template stands for the messages of one text. Its words are shown as the entry's facts fill them; a word
whose fact the entry does not have is left out, and so is every fact that no word names: ``--json-logs`` shows
all of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from string import Formatter
from typing import Any, Final, NamedTuple, Self

_FORMATTER: Final = Formatter()
_KINDS_KEPT: Final = 256
_ENDS_KEPT: Final = 256
_BOTH_ENDS: Final = re.compile(r"([1-9]\d?)…([1-9]\d?)")
# What ``%`` can do by itself: a width, and how many characters are shown at most.
_PLAIN: Final = re.compile(r"(<|>)?([1-9]\d*)?(\.\d+)?")


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
        values = list(kind.values(entry))
        if None in values:
            found = [text for parts in kind.words if (text := _filled(parts, entry)) is not None]
            return " ".join(found).rstrip()
        for place, form in kind.forms:
            values[place] = form(str(values[place]))
        return (kind.pattern % tuple(values)).rstrip()

    def _kind_with(self, message: str, facts: tuple[str, ...]) -> "_Kind":
        """Return what all lines have in common that have the same message and facts."""
        return _Kind.of(
            [
                parts
                for parts in self._words[message]
                if all(part.name is None or part.name in facts for part in parts)
            ]
        )


class _Part(NamedTuple):
    """Some text of a word, the fact behind it if there is one, and how that is shown."""

    text: str
    name: str | None
    form: str
    fill: Callable[[str], str]


_Word = list[_Part]


class _Kind(NamedTuple):
    """The words of a template whose facts there are.

    Attributes:
        pattern: All of them in one, for Python's ``%``, which formats most facts.
        values: Returns the facts of an entry, in their order.
        forms: What formats the others of them, by their places.
    """

    words: Sequence[_Word]
    pattern: str
    values: Callable[[Mapping[str, Any]], Sequence[Any]]
    forms: Sequence[tuple[int, Callable[[str], str]]]

    @classmethod
    def of(cls, words: Sequence[_Word]) -> Self:
        pattern = " ".join(
            "".join(
                text.replace("%", "%%") + ("" if name is None else f"%{_conversion(form) or 's'}")
                for text, name, form, _ in parts
            )
            for parts in words
        )
        facts = [part for parts in words for part in parts if part.name is not None]
        return cls(
            words,
            pattern,
            _values_of([str(each.name) for each in facts]),
            [(place, each.fill) for place, each in enumerate(facts) if _conversion(each.form) is None],
        )


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
    return [_Part(text, name, form or "", _form(form or "")) for text, name, form, _ in parts]


def _filled(parts: _Word, entry: Mapping[str, Any]) -> str | None:
    shown = []
    for text, name, _, fill in parts:
        shown.append(text)
        if name is not None:
            value = entry.get(name)
            if value is None:
                return None
            shown.append(fill(str(value)))
    return "".join(shown)


def _values_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if len(names) < 2:  # for one name, itemgetter returns no sequence
        return lambda entry: [entry[name] for name in names]
    return itemgetter(*names)


def _conversion(form: str) -> str | None:
    """Return what stands behind ``%`` for a form, None if it knows no such one."""
    plain = _PLAIN.fullmatch(form)
    if plain is None:
        return None
    side, width, most = plain.groups()
    return f"{'' if side == '>' else '-' if width else ''}{width or ''}{most or ''}s"


def _form(form: str) -> Callable[[str], str]:
    """Return what formats a fact's text."""
    ends = _BOTH_ENDS.fullmatch(form)
    if ends is None:
        return f"{{:{form}}}".format if form else str
    first, last = map(int, ends.groups())

    # An order's id, say, is in several lines, one soon after the other.
    @lru_cache(maxsize=_ENDS_KEPT)
    def shortened(text: str) -> str:
        return text if len(text) <= first + last + 1 else f"{text[:first]}…{text[-last:]}"

    return shortened
