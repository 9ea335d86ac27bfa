"""The status of a call that failed, from what the SDK raised.

One list of words for every SDK. They tell errors apart by HTTP status code and, where no response
came, by the names of exception classes, which httpx and all the SDKs built on it share: so no SDK
is imported to know its errors.
"""

from __future__ import annotations

from typing import Final

from costmeter.status import status_of_code

_BY_CLASS: Final = {
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "APIConnectionError": "connection_error",
    "TransportError": "connection_error",
    "ConnectionError": "connection_error",
    # of requests and aiohttp, whose timeouts are connection errors too
    "ConnectTimeout": "timeout",
    "Timeout": "timeout",
    "ServerTimeoutError": "timeout",
    "ClientConnectionError": "connection_error",
}


def status_of(error: BaseException) -> str:
    """Return the status that an exception stands for.

    ``cancelled`` is what the application itself broke off; ``error`` what none of the others fits,
    such as a response that the SDK could not make sense of.
    """
    if not isinstance(error, Exception) or type(error).__name__ == "CancelledError":
        return "cancelled"
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return status_of_code(code)
    for kind in type(error).__mro__:
        if status := _BY_CLASS.get(kind.__name__):
            return status
    return "error"
