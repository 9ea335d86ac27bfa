"""Lines of a stream, and those of them that tell something."""

from __future__ import annotations

import pytest

from costmeter.instrumentation.clients.lines import LineWatcher, telling
from costmeter.instrumentation.clients.reading import NOTHING, Reading

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


class Lines(LineWatcher):
    """Keeps the lines that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []

    def line(self, line: bytes) -> None:
        self.read.append(line)

    def reading(self) -> Reading:
        return NOTHING


def test_no_more_of_a_line_is_kept_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineWatcher, "MAX_BYTES", 8)
    watcher = Lines()
    chunks = [b'{"a":1}\n', b'{"long":', b'"and longer', b' and no JSON"}\n{"b', b'":2}']
    assert [watcher.feed(chunk) for chunk in chunks] == chunks
    watcher.flush()
    assert watcher.read == [b'{"a":1}', b'and no JSON"}', b'{"b":2}']
