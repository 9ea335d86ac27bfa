"""Attempts of calls that failed, and that an SDK makes again by itself.

Each is an event of its own that is no call, written when the SDK has decided to try again, from
what it is about to send once more: so a call that needs no second attempt pays nothing for being
able to tell of one, and no attempt has to know of another. The last attempt is the call.

The seams are what SDKs do between two attempts alone. None is public: where one is missing, the
retries of that SDK are not counted, and its calls are metered all the same.
"""

from __future__ import annotations

import functools
import logging
import sys
from time import time_ns
from typing import TYPE_CHECKING, Any

from costmeter.instrumentation import record
from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients import answering
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.context import attribution, clipped
from costmeter.status import status_of_code
from costmeter.usage import MAX_VALUE_LENGTH, RecordedUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.call import Call

_log = logging.getLogger("costmeter")


def seams(
    sdk: str,
    owners: tuple[type | str, ...],
    name: str,
    replacement: Callable[[Method], Callable[..., Any]],
) -> list[Method]:
    """Return what counts retries where classes or modules have a function, or nothing where not.

    Args:
        sdk: what the SDK is called in a warning.
        owners: the classes, or the names of the modules.
        name: the name of the function.
        replacement: as :class:`Method` has it.
    """
    try:
        return [
            Method(
                sys.modules[owner] if isinstance(owner, str) else owner,
                name,
                replacement=replacement,
            )
            for owner in owners
        ]
    except LookupError as error:
        _log.warning("costmeter does not count retries of %s: %s", sdk, error)
        return []


def before(tell: Callable[..., None]) -> Callable[[Method], Callable[..., Any]]:
    """Make a replacement that tells of a retry before it goes on as ever, sync or async.

    Args:
        tell: gets what the replaced function is called with; it may raise.
    """

    def replacement(method: Method) -> Callable[..., Any]:
        original = method.original

        @functools.wraps(original)
        def told(*args: Any, **named: Any) -> Any:
            if method.on:
                attempt(functools.partial(tell, *args, **named), default=None)
            return original(*args, **named)

        return told

    return replacement


def retried(call: Call | None, status: str) -> None:
    """Record that an attempt failed and is made again.

    Args:
        call: what is asked for, begun anew; None where it is not metered.
        status: how the attempt ended.
    """
    if call is None or not call.costs:
        return
    model = call.model if call.exact else answering.expected(call.provider, call.model)
    record.write(
        RecordedUsage(
            time_ns=time_ns(),
            operation=call.operation,
            provider=call.provider,
            model=clipped(model, MAX_VALUE_LENGTH),
            attributes=attribution.get().encoded,
            usage={},
            calls=0,
            requests=0,
            status=status,
            retries=1,
        )
    )


def status_after(response: Any, error: BaseException | None) -> str:
    """Return the status of an attempt, from its HTTP response or else from an exception."""
    response = getattr(error, "response", None) if response is None else response
    if response is not None:
        return status_of_code(response.status_code)
    return "error" if error is None else status_of(error)
