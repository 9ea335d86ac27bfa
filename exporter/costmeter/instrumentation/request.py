"""A request to the application: all that it calls is one observation of its cost."""

from __future__ import annotations

import os
from itertools import count
from typing import Final

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.record import end_request

_numbers: Final = count()
_process = os.urandom(8).hex()


class Request:
    """Names itself to the usage within it, and says when it is over if there was any."""

    __slots__ = ("_id", "_is_over", "_is_used")

    def __init__(self) -> None:
        """Begin a request."""
        self._id = f"{_process}-{next(_numbers):x}"
        self._is_used = False
        self._is_over = False

    def id(self) -> str:
        """Return what usage names it by; empty for what comes after its end."""
        if self._is_over:
            return ""
        self._is_used = True
        return self._id

    def end(self) -> None:
        """Have what it used observed as a whole."""
        if self._is_used and not self._is_over:
            attempt(end_request, self._id, default=None)
        self._is_over = True


def _rename_process() -> None:
    global _process  # noqa: PLW0603 - a forked child counts on from the same number
    _process = os.urandom(8).hex()


os.register_at_fork(after_in_child=_rename_process)
