"""Whom usage is for: attributes that hold for a block of code, and for all that it calls.

They live in a context variable, so threads and asyncio tasks keep them apart. Attributes are
encoded once, when a block is entered, not with every event.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

import msgspec

from costmeter.instrumentation.boundary import attempt, note
from costmeter.usage import MAX_ATTRIBUTES, MAX_NAME_LENGTH, MAX_VALUE_LENGTH

_REMEMBERED: Final = 128
"""How many narrower attributions an attribution remembers."""

_encode = msgspec.json.Encoder().encode

Attributes = tuple[tuple[str, str], ...]
"""Names and values that fit the limits of a usage event."""


class Attribution:
    """The attributes in force at one point of the program; immutable.

    Attributes:
        attributes: all of them, by name.
        encoded: the same as a JSON object.
        added: what this attribution has beyond the one around it.
        outer: the attribution around it; the outermost is its own.
        request: id of the request to the application that usage is part of; empty outside of one.
    """

    __slots__ = ("_inner", "added", "attributes", "encoded", "outer", "request")

    def __init__(self, outer: Attribution | None, added: Attributes) -> None:
        """Add attributes to those of an outer attribution; the added ones win."""
        self.outer: Attribution = outer or self
        self.added = added
        self.attributes: dict[str, str] = {**(outer.attributes if outer else {}), **dict(added)}
        while len(self.attributes) > MAX_ATTRIBUTES:
            name, _ = self.attributes.popitem()
            note(f"attribute {name!a} is left out: an event has at most {MAX_ATTRIBUTES}")
        self.encoded = msgspec.Raw(_encode(self.attributes))
        self.request = ""
        self._inner: dict[Attributes, Attribution] = {}

    def within(self, added: Attributes) -> Attribution:
        """Return this attribution with more attributes; the same one for the same attributes."""
        inner = self._inner.get(added)
        if inner is None:
            if len(self._inner) >= _REMEMBERED:
                self._inner.clear()
            inner = self._inner[added] = Attribution(self, added)
        return inner


class Pending(Attribution):
    """An attribution within a request: not all of it is known yet.

    ``attributes``, ``encoded`` and ``request`` are never stored in it, but looked up whenever they
    are used. So are those of the attributions within it.
    """

    __slots__ = ("_find", "_name")

    def __init__(
        self,
        outer: Attribution,
        added: Attributes,
        find: Callable[[], Attribution],
        name: Callable[[], str],
    ) -> None:
        """Take what finds the attribution, and the request's id; neither may raise."""
        self.outer = outer
        self.added = added
        self._find = find
        self._name = name

    def within(self, added: Attributes) -> Attribution:
        """Return this attribution with more attributes, as pending as this one."""
        return Pending(self, added, lambda: self._find().within(added), self._name)

    def __getattr__(self, name: str) -> Any:
        if name == "request":
            return self._name()
        if name not in ("attributes", "encoded"):
            raise AttributeError(name)
        return getattr(self._find(), name)


OUTERMOST: Final = Attribution(None, ())
attribution: Final[ContextVar[Attribution]] = ContextVar("costmeter", default=OUTERMOST)


class attribute:  # noqa: N801 - reads as a function: with costmeter.attribute(team="search"):
    """Attributes usage recorded in a block, and in all that it calls, to someone or something.

    Use it with ``with`` or ``async with``. An inner block wins over an outer one. The object may be
    kept and used again, also within itself and by several threads at once.

    ``endpoint``, ``feature`` and ``team`` are labels of the metrics; other names stay in the ledger
    unless the sidecar's configuration makes labels of them. Values become text of at most 256
    characters; a value of None leaves the name out.
    """

    __slots__ = ("_added",)

    def __init__(self, **attributes: object) -> None:
        """Take names and values."""
        self._added = fitting(attributes)

    def __enter__(self) -> None:
        """Begin to attribute."""
        attribution.set(attribution.get().within(self._added))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Go back to what held before."""
        entered = attribution.get()
        while entered.added != self._added and entered is not OUTERMOST:
            entered = entered.outer
        # A generator may be closed in a context in which it never ran: then there is none of ours.
        if entered is not OUTERMOST:
            attribution.set(entered.outer)

    async def __aenter__(self) -> None:
        """Begin to attribute."""
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Go back to what held before."""
        self.__exit__(kind, error, traceback)


class Inside:
    """An attribution that is put in force step by step, as for a generator.

    Blocks that are entered in one step and left in a later one stay inside.
    """

    __slots__ = ("_inside", "_outside")

    def __init__(self, inside: Attribution) -> None:
        """Take what holds inside at first."""
        self._inside = self._outside = inside

    def __enter__(self) -> None:
        self._outside = attribution.get()
        attribution.set(self._inside)

    def __exit__(self, *error: object) -> None:
        self._inside = attribution.get()
        attribution.set(self._outside)


def current() -> dict[str, str]:
    """Return the attributes in force, by name."""
    return dict(attribution.get().attributes)


def fitting(attributes: dict[str, Any]) -> Attributes:
    """Return attributes as text within the limits of a usage event; never raises."""
    added = []
    for name, value in attributes.items():
        text = None if value is None else attempt(clipped, value, MAX_VALUE_LENGTH, default=None)
        if text is not None:
            added.append((clipped(name, MAX_NAME_LENGTH), text))
    return tuple(added)


def clipped(value: object, length: int) -> str:
    """Return a value as text of at most ``length`` characters that can be stored as UTF-8."""
    if type(value) is str and len(value) <= length and value.isascii():
        return value  # as nearly all are
    return str(value)[:length].encode(errors="replace").decode()
