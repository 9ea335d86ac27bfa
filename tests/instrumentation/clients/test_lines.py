"""Lines of a stream, and those of them that tell something."""

from __future__ import annotations

import pytest

from costmeter.instrumentation.clients.lines import telling

WORDS = (b'"usage"', b'"error"')


def test_only_lines_that_hold_a_word_are_returned_in_their_order() -> None:
    lines = b'data: a\n\ndata: {"error": 1}\n\ndata: b\ndata: {"usage": 2}\ndata: {"error": 3}\n'

    assert telling(lines, WORDS) == [
        b'data: {"error": 1}',
        b'data: {"usage": 2}',
        b'data: {"error": 3}',
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"", []),
        (b"data: a\n", []),
        (b'{"usage": 1}', [b'{"usage": 1}']),  # a last line that nothing ended
        (b'{"usage": 1, "error": 2}\n', [b'{"usage": 1, "error": 2}']),
        (b'{"usage": {"usage": 1}}\r\n', [b'{"usage": {"usage": 1}}\r']),
    ],
)
def test_a_line_is_returned_once_and_whole(lines: bytes, expected: list[bytes]) -> None:
    assert telling(lines, WORDS) == expected
