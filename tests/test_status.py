from __future__ import annotations

import pytest

from costmeter.status import status_of_code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, "error"),  # what failed all the same
        (302, "error"),
        (400, "bad_request"),
        (401, "authentication"),
        (403, "permission_denied"),
        (404, "not_found"),
        (408, "timeout"),
        (409, "conflict"),
        (413, "bad_request"),
        (422, "bad_request"),
        (429, "rate_limited"),
        (498, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (504, "timeout"),
        (529, "server_error"),
    ],
)
def test_a_code_of_http_is_a_status(code: int, status: str) -> None:
    assert status_of_code(code) == status
