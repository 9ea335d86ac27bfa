"""The line between the application and costmeter: no error of ours crosses it.

What is caught here is counted in the journal, from where the sidecar shows it as
``cost_instrumentation_errors_total``, and logged the first time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Final, ParamSpec, TypeVar, TypeVarTuple

from costmeter.journal import process

_T = TypeVar("_T")
_D = TypeVar("_D")
_P = ParamSpec("_P")
_Args = TypeVarTuple("_Args")

_MOST_TOLD: Final = 1000
_told: set[str] = set()


def attempt(function: Callable[[*_Args], _T], *args: *_Args, default: _D) -> _T | _D:
    """Do some of costmeter's own work; where it fails, count that and return the default.

    The application's own code does not belong into it: its errors are its own.
    ``KeyboardInterrupt`` and its like pass through.
    """
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - the application must not break because of us
        _tell(f"{type(error).__name__}: {error}", error)
        return default


def spared(function: Callable[_P, None]) -> Callable[_P, None]:
    """Make a function of costmeter's own one that the application can call without a fear."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> None:
        attempt(partial(function, *args, **kwargs), default=None)

    return call


def note(message: str) -> None:
    """Count something that went wrong without an exception, and log it the first time."""
    _tell(message, None)


def _tell(message: str, error: Exception | None) -> None:
    process.journal.count_error()
    if message in _told or len(_told) >= _MOST_TOLD:
        return
    _told.add(message)
    import logging  # noqa: PLC0415 - not needed until there is something to say

    log = logging.getLogger("costmeter")
    # Where it happened is for those who look closer: to others it would read like a crash.
    traceback = error if log.isEnabledFor(logging.DEBUG) else None
    log.warning("%s (the application goes on; this is said once)", message, exc_info=traceback)
