"""Attributes that are made when they are first asked for, once for all threads."""

from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import Any, Self, TypeVar, overload

_Made = TypeVar("_Made")


class made_once(cached_property[_Made]):  # noqa: N801  # a decorator, as the one that it takes the place of
    """A ``cached_property`` of which threads that ask at the same time get the same one.

    The library's has no lock since Python 3.12: two threads that ask first would make an engine each, and all
    that either has opened would never be closed.
    """

    def __init__(self, make: Callable[[Any], _Made]) -> None:
        super().__init__(make)
        # Re-entrant: what is made may ask for itself by a way around, and is told so by the recursion.
        self._lock = RLock()

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> _Made: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | _Made:
        if instance is None:
            return self
        with self._lock:
            return super().__get__(instance, owner)
