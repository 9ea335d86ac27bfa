"""The endpoint of a request: the template of its route, known only once a framework has routed it.

Never the path itself: ``/users/17`` would be a label of its own for every user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.context import Attribution, Pending, attribution, clipped
from costmeter.instrumentation.request import Request
from costmeter.usage import MAX_VALUE_LENGTH

UNMATCHED: Final = "unmatched"
"""The endpoint of what no route was made for, or none yet."""


class Endpoint:
    """Asks for the route of one request each time usage is recorded, until there is an answer.

    The attribution in force when the request came is around it. Where that is one of a request
    already, it is the same request.
    """

    __slots__ = ("_find", "_outer", "_request", "_template")

    def __init__(self, find: Callable[[], str | None]) -> None:
        """Take what finds the template; it may raise, and is None while there is none."""
        self._find = find
        self._outer = attribution.get()
        self._template: str | None = None
        self._request = Request()

    def settle(self) -> str:
        """Ask for the template now; it may be too late afterwards."""
        if self._template is None:
            found = attempt(self._find, default=None)
            if not found:
                return UNMATCHED
            self._template = clipped(found, MAX_VALUE_LENGTH)
        return self._template

    def attribution(self) -> Attribution:
        """Return what attributes usage to this endpoint, and to what was in force around it."""
        return Pending(self._outer, (("endpoint", UNMATCHED),), self._settled, self._name)

    def end(self) -> None:
        """End the request."""
        self._request.end()

    def _name(self) -> str:
        return self._outer.request or self._request.id()

    def _settled(self) -> Attribution:
        return self._outer.within((("endpoint", self.settle()),))
