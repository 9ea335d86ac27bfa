"""How a call ended, in the words that events, metrics and the ledger have for it.

``ok``; ``incomplete`` (an answer that broke off) and ``cancelled`` (by the application);
``timeout`` and ``connection_error``; ``bad_request``, ``authentication``, ``permission_denied``,
``not_found``, ``conflict`` and ``rate_limited``, where the provider refused it; ``server_error``,
where it failed there; ``error``, for what none of the others fits.

HTTP's codes mean the same to every provider. What else an SDK, a service or a span says of an error
is told apart where that is read.
"""

from __future__ import annotations

from typing import Final

_BY_CODE: Final = {
    401: "authentication",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    429: "rate_limited",
    498: "rate_limited",  # Groq's, where its flex tier has no capacity left
    504: "timeout",
}
_FIRST_REFUSAL: Final = 400
_FIRST_SERVER_ERROR: Final = 500


def status_of_code(code: int) -> str:
    """Return the status that an HTTP status code stands for; ``error`` where it is no failure.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-status-codes
    """
    if status := _BY_CODE.get(code):
        return status
    if code >= _FIRST_SERVER_ERROR:
        return "server_error"
    return "bad_request" if code >= _FIRST_REFUSAL else "error"
