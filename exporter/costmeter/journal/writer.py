"""The application's side of the journal: a store into a mapped file, and no system call.

``mmap.write`` checks the room that is left, copies the record and moves on, all inside one C
function that keeps the GIL. Neither another thread nor a signal handler nor a finalizer can come
between, so the hot path needs no lock; and a segment is closed to all of them at once by moving its
position to its end. Where there is no GIL, a reentrant lock does the same. A process that is killed
leaves whole records behind and at most one torn one at the end, which its checksum gives away.

The next segment is made by a background thread as soon as the current one comes into use, so that
the caller only swaps. That thread ends when its work is done: a process that forks has no thread of
ours running all the time.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

from costmeter.errors import JournalError
from costmeter.journal.segment import (
    DROPPED_AT,
    ERRORS_AT,
    LARGEST_BYTES,
    NAME,
    RECORD_HEAD,
    SMALLEST_BYTES,
    UNFINISHED_NAME,
    OpenSegment,
    checksum,
)
from costmeter.usage import MAX_EVENT_BYTES

HASTE_NS: Final = 10 * 10**9
"""A segment that is full sooner than this, in nanoseconds, is followed by one of twice its size."""
RETRY_FIRST_NS: Final = 500 * 10**6
RETRY_LAST_NS: Final = 10 * 10**9
"""How long to wait after a segment could not be made, in nanoseconds: doubling up to the last."""

_HAS_GIL: Final = bool(getattr(sys, "_is_gil_enabled", lambda: True)())
_record_head = RECORD_HEAD.pack


class JournalWriter:
    """Writes events into the segments of one directory, for all threads of this process.

    A forked child goes on with segments of its own. Whatever is wrong with the directory or the
    disk, the application goes on: events are dropped and counted, one warning says why, and
    recording resumes by itself.

    Attributes:
        dropped: events that could not be stored since this process began.
    """

    def __init__(self, directory: str | os.PathLike[str], *, limit_bytes: int = 1 << 30) -> None:
        """Take the directory, and how many bytes all segments in it may have together.

        Nothing is opened before the first write.
        """
        self.directory = Path(directory)
        self.limit_bytes = limit_bytes
        self._begin()
        os.register_at_fork(
            before=_weakly(self._before_fork),
            after_in_parent=_weakly(self._after_fork_in_parent),
            after_in_child=_weakly(self._after_fork_in_child),
        )
        atexit.register(_weakly(self.close))

    def _begin(self) -> None:
        """Start with nothing: no segment, nothing dropped, an id that no other writer has."""
        self.dropped = 0
        self._id = os.urandom(16).hex()
        self._made = 0
        self._lock = threading.RLock()
        self._fork_locked = False
        self._append: Callable[[bytes], object] = _nowhere
        self._current: OpenSegment | None = None
        self._spare: list[OpenSegment] = []
        self._full: list[OpenSegment] = []
        self._changing = False
        self._parked: list[bytes] = []
        self._preparing = False
        self._size = SMALLEST_BYTES
        self._swapped_ns = -HASTE_NS
        self._owed = {DROPPED_AT: 0, ERRORS_AT: 0}
        self._failing = False
        self._retry_ns = 0
        self._delay_ns = RETRY_FIRST_NS
        self._told_oversize = False
        self._news: list[str] = []

    def write(self, payload: bytes) -> bool:
        """Store one event; False where it was dropped. Never raises."""
        length = len(payload)
        if length > MAX_EVENT_BYTES:
            return self._drop_oversize(length)
        record = _record_head(length, checksum(payload)) + payload
        try:
            self._append(record)
        except ValueError:  # there is no segment yet, or it is full
            return self._append_to_next(record)
        return True

    def count_error(self) -> None:
        """Count an error that the application was spared, for the sidecar to show."""
        with self._lock:
            if self._current is None and not self._changing:
                self._use_next(None)
            self._count(ERRORS_AT)
        self._tell()

    def close(self) -> None:
        """Seal what was written, so that the reader can finish with it. A write opens anew."""
        with self._lock:
            current, self._current, self._append = self._current, None, _nowhere
            if current is not None:
                current.seal()
                self._full.append(current)
            while self._spare:
                unused = self._spare.pop()
                unused.seal()
                with contextlib.suppress(OSError):
                    unused.path.unlink(missing_ok=True)
                self._full.append(unused)
            self._close_full()

    # -- Changing segments: under the lock, and yet a signal handler may come at any call --------

    def _append_to_next(self, record: bytes) -> bool:
        """Store a record that the current segment has no room for."""
        with self._lock:
            if self._changing:
                # A signal handler came while its own thread is at it. Were it to begin once more,
                # a handler that comes often enough would never let anyone finish.
                self._parked.append(record)
                return True
            self._changing = True
            try:
                stored = self._append_somewhere(record)
                if not stored:
                    self._count(DROPPED_AT)
                while self._parked:
                    if not self._append_somewhere(self._parked.pop(0)):
                        self._count(DROPPED_AT)
            finally:
                self._changing = False
        self._tell()
        return stored

    def _append_somewhere(self, record: bytes) -> bool:
        while True:
            current = self._current
            if current is not None:
                with contextlib.suppress(ValueError):
                    current.append(record)
                    return True
            if not self._use_next(current):
                return False

    def _use_next(self, current: OpenSegment | None) -> bool:
        """Replace the current segment; False where there is none to replace it with."""
        following = self._spare.pop() if self._spare else self._make_or_wait()
        if following is None:
            return False
        append = following.append if _HAS_GIL else self._append_locked
        if self._current is not current:  # a signal handler has done it meanwhile
            self._spare.append(following)
            return True
        self._current, self._append = following, append
        self._settle(following)
        if current is not None:
            current.seal()
            self._full.append(current)
        self._prepare_in_background()
        return True

    def _append_locked(self, record: bytes) -> None:
        """Store a record where no GIL makes that one step."""
        with self._lock:
            if self._current is None:
                _nowhere(record)
            self._current.append(record)

    def _settle(self, segment: OpenSegment) -> None:
        """Put what was counted while there was no segment into the header of a new one."""
        for offset, owed in self._owed.items():
            if owed:
                segment.add(offset, owed)
                self._owed[offset] = 0

    def _prepare_in_background(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._swapped_ns < HASTE_NS:
            self._size = min(2 * self._size, LARGEST_BYTES)
        self._swapped_ns = now_ns
        if self._preparing:
            return
        self._preparing = True
        try:
            _thread.start_new_thread(self._prepare, ())
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._preparing = False
            self._close_full()

    def _prepare(self) -> None:
        """Make the next segment and close the full ones: the background thread."""
        with self._lock:
            self._preparing = False
            self._close_full()
            if self._current is not None and not self._spare:
                # Should it fail, the caller that needs it tries again, and tells.
                with contextlib.suppress(OSError, JournalError):
                    self._spare.append(self._make())

    def _close_full(self) -> None:
        while self._full:
            self._full.pop().close()

    # -- Making segments, and going on where that fails ------------------------------------------

    def _make_or_wait(self) -> OpenSegment | None:
        """Make a segment; None where that fails, or failed a moment ago."""
        now_ns = time.monotonic_ns()
        if now_ns < self._retry_ns:
            return None
        try:
            segment = self._make()
        except (OSError, JournalError) as error:
            self._retry_ns = now_ns + self._delay_ns
            self._delay_ns = min(2 * self._delay_ns, RETRY_LAST_NS)
            if not self._failing:
                self._failing = True
                self._news.append(
                    f"journal {self.directory}: {getattr(error, 'strerror', None) or error};"
                    " usage is not recorded until that is remedied (COSTMETER_JOURNAL names the"
                    " directory), the application goes on"
                )
            return None
        if self._failing:
            self._failing = False
            self._news.append(
                f"journal {self.directory}: recording again, {self.dropped} events dropped so far"
            )
        self._delay_ns = RETRY_FIRST_NS
        return segment

    def _make(self) -> OpenSegment:
        """Make a segment of the size that is due, or of the smallest where only that has room.

        Raises:
            OSError: the directory or the disk does not allow it.
            JournalError: the directory is at its limit.
        """
        try:
            return self._make_of(self._size)
        except (OSError, JournalError):
            if self._size == SMALLEST_BYTES:
                raise
            self._size = SMALLEST_BYTES
            return self._make_of(SMALLEST_BYTES)

    def _make_of(self, size: int) -> OpenSegment:
        used = _bytes_used(self.directory)
        if used + size > self.limit_bytes:
            raise JournalError(
                f"{used} bytes used of {self.limit_bytes} allowed (COSTMETER_JOURNAL_LIMIT);"
                " is a sidecar reading it?"
            )
        self._made += 1
        return OpenSegment(self.directory, f"{self._id}-{self._made:06}.segment", size)

    def _drop_oversize(self, length: int) -> bool:
        with self._lock:
            self._count(DROPPED_AT)
            if not self._told_oversize:
                self._told_oversize = True
                self._news.append(
                    f"journal {self.directory}: an event of {length} bytes is dropped,"
                    f" {MAX_EVENT_BYTES} are allowed; this is said once"
                )
        self._tell()
        return False

    def _count(self, offset: int) -> None:
        """Count a dropped event or an error where the sidecar finds it."""
        if offset == DROPPED_AT:
            self.dropped += 1
        if self._current is None:
            self._owed[offset] += 1
        else:
            self._current.add(offset, 1)

    def _tell(self) -> None:
        """Log what there is to say: outside the lock, since a log handler may record, too."""
        while self._news:
            import logging  # noqa: PLC0415 - not needed until there is something to say

            logging.getLogger("costmeter").warning("%s", self._news.pop(0))

    # -- Forks: no segment may be half made while one happens, or the child would keep it locked --

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._fork_locked = True

    def _after_fork_in_parent(self) -> None:
        if self._fork_locked:
            self._fork_locked = False
            self._lock.release()

    def _after_fork_in_child(self) -> None:
        for segment in (self._current, *self._spare, *self._full):
            if segment is not None:
                segment.close()  # the parent keeps its own hold on it
        self._begin()


def _nowhere(record: bytes) -> NoReturn:
    """Stand in for ``append`` while there is no segment."""
    raise ValueError(f"no segment for {len(record)} bytes")


def _bytes_used(directory: Path) -> int:
    """Return the bytes that the segments in a directory have been given."""
    used = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name) or UNFINISHED_NAME.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    used += entry.stat(follow_symlinks=False).st_size
    return used


def _weakly(method: Callable[[], Any]) -> Callable[[], None]:
    """Return a function that calls a method for as long as its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    return call
