"""One segment as the sidecar follows it, from its first record to its last.

What a segment holds may come from a stranger, so it is read with ``pread`` into memory of bounded
size and never mapped: a file cut short under the reader ends a read, not the process.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from pathlib import Path
from typing import Final

from costmeter.errors import JournalError
from costmeter.journal.segment import (
    MAX_RECORD_BYTES,
    MAX_SEGMENT_BYTES,
    RECORD_HEAD,
    RECORDS_AT,
    checksum,
    parse_header,
)
from costmeter.usage import MAX_EVENT_BYTES

BLOCK_BYTES: Final = 256 << 10
"""The most that is read from a segment at a time, in bytes, beside one record."""
PROBE_SECONDS: Final = 1.0
"""How often a segment is asked whether its writer is gone, in seconds."""

_NO_RECORD: Final = bytes(RECORD_HEAD.size)
_TIME: Final = re.compile(rb"\[\s*([0-9]{1,19})")
_WINDOW: Final = 64
"""Bytes of which, in a row, a record has at least one that is not zero."""


class SegmentTail:
    """Reads the records of one segment as they come.

    Attributes:
        path: the file.
        writer: the id of the process that writes it.
        position: offset of the first unread record, in bytes.
        dropped: events that the writer has dropped.
        errors: errors that the writer's application was spared.
        torn: records given up.
        final: nothing will be added any more.
        finished: final, and all is read.
    """

    def __init__(self, path: Path, position: int, dropped: int, errors: int) -> None:
        """Take up a segment where its reading had ended."""
        self.path = path
        self.writer = path.name.partition("-")[0]
        self.position = max(position, RECORDS_AT)
        self.dropped = dropped
        self.errors = errors
        self.torn = 0
        self.final = False
        self.finished = False
        self._fd = -1
        self._probed_at = -PROBE_SECONDS

    def open(self) -> None:
        """Open the file, where it is not open.

        Raises:
            OSError: it is gone, a link, or not readable.
            JournalError: it is no segment of this version.
        """
        if self._fd >= 0:
            return
        self._fd = os.open(
            self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        )
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            problem = "is no regular file"
        elif status.st_size > MAX_SEGMENT_BYTES:
            problem = f"has {status.st_size} bytes, a segment has at most {MAX_SEGMENT_BYTES}"
        elif parse_header(os.pread(self._fd, RECORDS_AT, 0)) is None:
            problem = "does not begin like a segment of this version"
        else:
            return
        self.close()
        raise JournalError(f"{self.path}: {problem}")

    def close(self) -> None:
        """Close the file; it can be opened again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, limit: int, payloads: list[bytes]) -> int:
        """Append up to ``limit`` payloads to a list, and return how many.

        Raises:
            OSError: the file cannot be read.
        """
        # First whether it is final, then what it holds: so what is found is all there will be.
        self._read_header()
        before = len(payloads)
        while (room := limit - (len(payloads) - before)) > 0:
            if self._holds_something():
                block_bytes = min(BLOCK_BYTES, room * 512) + MAX_RECORD_BYTES
                block = os.pread(self._fd, block_bytes, self.position)
                if taken := parse_records(block, room, payloads):
                    self.position += taken
                    continue
            if not self.final:
                self.final = self._writer_is_gone()  # the next read finds the rest
                break
            if not self._give_up():
                break
        return len(payloads) - before

    def unread(self) -> tuple[int, int | None]:
        """Return the bytes of unread records, and the time of the first of them in ns since 1970.

        The time is None where nothing is unread or the first record tells none.

        Raises:
            OSError: the file cannot be read.
        """
        if self.finished or not self._holds_something():
            return 0, None
        start = os.pread(self._fd, _WINDOW, self.position)
        time_of = _TIME.match(start, RECORD_HEAD.size)
        return self._end() - self.position, int(time_of[1]) if time_of else None

    def _read_header(self) -> None:
        header = parse_header(os.pread(self._fd, RECORDS_AT, 0))
        if header is None:  # cut short or overwritten by a stranger
            self.final = True
            return
        # A counter may be caught in the middle of a change, but never falls.
        self.dropped = max(self.dropped, header.dropped)
        self.errors = max(self.errors, header.errors)
        self.final = self.final or header.sealed != 0

    def _holds_something(self) -> bool:
        head = os.pread(self._fd, len(_NO_RECORD), self.position)
        return head not in (b"", _NO_RECORD)

    def _writer_is_gone(self) -> bool:
        """Whether no process holds the segment open for writing; asked once in a while."""
        now = time.monotonic()
        if now - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = now
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def _give_up(self) -> bool:
        """Skip what is no record in a final segment; return whether a record follows.

        A killed writer leaves at most one torn record, at the end. After the machine has crashed,
        whole pages may be missing in the middle.
        """
        at, something = self.position, False
        while block := os.pread(self._fd, BLOCK_BYTES + MAX_RECORD_BYTES, at):
            if content := block.rstrip(b"\0"):
                something = something or bool(content.lstrip(b"\0"))
                start = find_record(block, BLOCK_BYTES)
                if start is not None:
                    self.torn += 1
                    self.position = at + start
                    return True
            at += BLOCK_BYTES
        if something:
            self.torn += 1
        # A position of its own, so that the ledger learns of the end and commits it.
        self.position = max(self.position, self._size())
        self.finished = True
        return False

    def _size(self) -> int:
        return os.fstat(self._fd).st_size

    def _end(self) -> int:
        """Return the offset where the records end, searched by halves: only zeros follow."""
        low, high = self.position, max(self._size(), self.position)
        while high - low > _WINDOW:
            middle = (low + high) // 2
            if os.pread(self._fd, _WINDOW, middle).strip(b"\0"):
                low = middle
            else:
                high = middle
        return low + len(os.pread(self._fd, 2 * _WINDOW, low).rstrip(b"\0"))


def parse_records(block: bytes, limit: int, payloads: list[bytes]) -> int:
    """Append the payloads of up to ``limit`` whole records at the start of a block to a list.

    Returns:
        How many bytes the records have. Stops before the first that is not whole.
    """
    at, end = 0, len(block)
    unpack, append = RECORD_HEAD.unpack_from, payloads.append
    for _ in range(limit):
        start = at + 8
        if start > end:
            break
        length, expected = unpack(block, at)
        stop = start + length
        if not 0 < length <= MAX_EVENT_BYTES or stop > end:
            break
        payload = block[start:stop]
        if checksum(payload) != expected:
            break
        append(payload)
        at = stop
    return at


def find_record(block: bytes, before: int) -> int | None:
    """Return the offset of the first whole record that begins before an offset, None for none."""
    bracket = RECORD_HEAD.size  # a payload begins with one
    while 0 <= (bracket := block.find(b"[", bracket)) < before + RECORD_HEAD.size:
        start = bracket - RECORD_HEAD.size
        length, expected = RECORD_HEAD.unpack_from(block, start)
        if (
            0 < length <= MAX_EVENT_BYTES
            and checksum(block[bracket : bracket + length]) == expected
        ):
            return start
        bracket += 1
    return None
