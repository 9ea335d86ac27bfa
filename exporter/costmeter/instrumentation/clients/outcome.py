"""The status of a call that failed, from what the SDK raised.

One list of words for every SDK. They tell errors apart by HTTP status code and, where no response
came, by the names of exception classes, which httpx and all the SDKs built on it share: so no SDK
is imported to know its errors.
"""

from __future__ import annotations

from typing import Final

_BY_CODE: Final = {
    400: "bad_request",
    401: "authentication",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    413: "bad_request",
    422: "bad_request",
    429: "rate_limited",
    498: "rate_limited",  # Groq's, where its flex tier has no capacity left
    504: "timeout",
}
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
_FIRST_SERVER_ERROR: Final = 500


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


def status_of_code(code: int) -> str:
    """Return the status that an HTTP status code stands for; ``error`` where it is no failure."""
    if status := _BY_CODE.get(code):
        return status
    if code >= _FIRST_SERVER_ERROR:
        return "server_error"
    return "bad_request" if code >= 400 else "error"
