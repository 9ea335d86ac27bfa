"""The status of a call of Amazon Bedrock that failed, from what botocore raised.

botocore makes a class of its own for each error of a service: they are told apart by the error's
code, which streams spell with a small first letter, and errors of its own by their class.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

from __future__ import annotations

from typing import Any, Final

from costmeter.instrumentation.clients.outcome import status_of
from costmeter.status import status_of_code

_BY_CODE: Final = {
    "AccessDeniedException": "permission_denied",
    "ConflictException": "conflict",
    "ExpiredTokenException": "authentication",
    "IncompleteSignatureException": "authentication",
    "InvalidSignatureException": "authentication",
    "MissingAuthenticationTokenException": "authentication",
    "ModelErrorException": "server_error",
    "ModelNotReadyException": "server_error",
    "ModelStreamErrorException": "server_error",
    "ModelTimeoutException": "timeout",
    "ResourceNotFoundException": "not_found",
    "ServiceQuotaExceededException": "rate_limited",
    "ThrottlingException": "rate_limited",
    "UnrecognizedClientException": "authentication",
    "ValidationException": "bad_request",
}
"""Statuses where the code of HTTP tells none, or another."""
_BY_CLASS: Final = {
    "ConnectTimeoutError": "timeout",
    "ReadTimeoutError": "timeout",
    "HTTPClientError": "connection_error",
    "NoCredentialsError": "authentication",
    "PartialCredentialsError": "authentication",
    "CredentialRetrievalError": "authentication",
    "NoAuthTokenError": "authentication",
    "TokenRetrievalError": "authentication",
    "ParamValidationError": "bad_request",
}
_UNKNOWN: Final = 500
"""What stands for a code of HTTP where there is none: inside a stream."""


def failure_status(error: BaseException) -> str:
    """Return the status of a call that raised an error."""
    if (response := _error_response(error)) is not None:
        return answered_status(response)
    for kind in type(error).__mro__:
        if status := _BY_CLASS.get(kind.__name__):
            return status
    return status_of(error)


def broken_off_status(error: BaseException) -> str:
    """Return the status of an answer that ended in an error: a server that hangs up is no news."""
    status = failure_status(error)
    told = status in ("cancelled", "timeout") or _error_response(error) is not None
    return status if told else "incomplete"


def code_status(code: str, http_code: int = _UNKNOWN) -> str:
    """Return the status that a code of the service stands for; without a word, HTTP's tells."""
    return _BY_CODE.get(code[:1].upper() + code[1:]) or status_of_code(http_code)


def _error_response(error: BaseException) -> dict[str, Any] | None:
    """Return what the service answered, where the error is its own."""
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) and "Error" in response else None


def answered_status(response: dict[str, Any]) -> str:
    """Return the status of a call that the service answered with an error."""
    http_code = response.get("ResponseMetadata", {}).get("HTTPStatusCode", _UNKNOWN)
    return code_status(str(response["Error"].get("Code", "")), http_code)
