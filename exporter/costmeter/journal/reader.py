"""The sidecar's side of the journal: every record once, whoever died when."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from costmeter import lock
from costmeter.errors import JournalError
from costmeter.journal.segment import NAME, RECORDS_AT, UNFINISHED_NAME
from costmeter.journal.tail import SegmentTail

LOCK: Final = "reader.lock"
"""The file that says who reads a directory."""
MAX_OPEN: Final = 256
"""With more segments than this, none is kept open between reads."""
ORPHAN_SECONDS: Final = 60.0
"""How long making a segment takes at the very most, in seconds."""
FORGET_SECONDS: Final = 3600.0
"""How long, in seconds, the position of a segment that cannot be found is kept: a directory that is
mounted late must not be counted twice."""

_log = logging.getLogger(__name__)


class Chunk(NamedTuple):
    """What one read brought.

    Attributes:
        payloads: events, each a JSON array; those of one writer in their order.
        positions: what the ledger has to keep with the events' sums, absolute: ``"<segment>"`` is
            an offset in bytes, ``"<segment>#dropped"`` and ``"<segment>#errors"`` are counts.
        dropped: events newly known to have been dropped by writers.
        torn: records newly given up: a killed writer's last, or damaged ones.
        errors: errors newly known to have been spared to applications.
    """

    payloads: list[bytes]
    positions: dict[str, int]
    dropped: int = 0
    torn: int = 0
    errors: int = 0


class Lag(NamedTuple):
    """What the journal holds that has not been read.

    Attributes:
        bytes: of unread records.
        oldest_ns: time of the oldest unread record, in nanoseconds since 1970; None for none.
        writers: processes that hold a segment open.
    """

    bytes: int
    oldest_ns: int | None
    writers: int


class JournalReader:
    """Reads the segments of a directory, its writers in turns. Several threads may use it.

    A round is ``read``, then a commit of the events' sums together with the chunk's positions,
    then ``release``. A chunk that could not be committed has to be committed before the next read.
    """

    def __init__(self, directory: Path, positions: Mapping[str, int]) -> None:
        """Take the directory, which need not exist yet, and the positions that the ledger has."""
        self.directory = directory
        self._lock = threading.Lock()
        self._tails: dict[str, SegmentTail] = {}
        self._told = dict(positions)
        now = time.monotonic()
        self._unseen = {name: now for name in positions if NAME.fullmatch(name)}
        self._problems: set[str] = set()
        self._turn = 0
        self._held = -1

    def hold(self) -> None:
        """Be the one that reads the directory: what two ledgers read would count twice.

        Raises:
            JournalError: another process is, or it cannot be told.
        """
        path = self.directory / LOCK
        try:
            self._held = lock.hold(path)
        except BlockingIOError as error:
            problem = f"{self.directory}: {error.strerror}; a journal has one exporter"
            raise JournalError(problem) from error
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error

    def read(self, max_records: int) -> Chunk:
        """Return up to ``max_records`` new records; no writer's backlog holds up the others."""
        payloads: list[bytes] = []
        positions: dict[str, int] = {}
        dropped = torn = errors = 0
        with self._lock:
            self._discover()
            visited: dict[str, SegmentTail] = {}
            exhausted: set[str] = set()
            while (room := max_records - len(payloads)) > 0:
                heads = [tail for tail in self._heads() if tail.writer not in exhausted]
                if not heads:
                    break
                share = max(1, room // len(heads))
                for tail in heads[:room]:
                    visited[tail.path.name] = tail
                    if self._read_from(tail, share, payloads) < share and not tail.finished:
                        exhausted.add(tail.writer)
            for name, tail in visited.items():
                self._tell(positions, name, tail.position, RECORDS_AT)
                dropped += self._tell(positions, f"{name}#dropped", tail.dropped)
                errors += self._tell(positions, f"{name}#errors", tail.errors)
                torn, tail.torn = torn + tail.torn, 0
        return Chunk(payloads, positions, dropped, torn, errors)

    def release(self) -> list[str]:
        """Delete the segments that are read to their end, once the ledger holds what was read.

        Returns:
            Names of positions that the ledger may forget.
        """
        forget: list[str] = []
        now = time.monotonic()
        with self._lock:
            for name, tail in list(self._tails.items()):
                if tail.finished and self._delete(tail.path):
                    tail.close()
                    del self._tails[name]
                    forget += self._forget(name)
            for name, since in list(self._unseen.items()):
                if now - since >= FORGET_SECONDS:
                    del self._unseen[name]
                    forget += self._forget(name)
        return forget

    def lag(self) -> Lag:
        """Return what is unread; cheap enough for every scrape."""
        unread = 0
        times: list[int] = []
        with self._lock:
            self._discover()
            writers = {tail.writer for tail in self._tails.values() if not tail.final}
            for tail in list(self._tails.values()):
                if self._open(tail):
                    try:
                        size, time_ns = tail.unread()
                    except OSError as error:
                        self._complain(str(tail.path), f"cannot be read: {error.strerror}")
                        continue
                    unread += size
                    if time_ns is not None:
                        times.append(time_ns)
                    self._rest(tail)
        return Lag(unread, min(times, default=None), len(writers))

    def close(self) -> None:
        """Close all files, and let others read."""
        with self._lock:
            for tail in self._tails.values():
                tail.close()
        self.abandon()

    def abandon(self) -> None:
        """Leave the directory to the parent process: for a forked child."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    # -- Segments come and go ------------------------------------------------------------------

    def _discover(self) -> None:
        """Take up segments that are new in the directory, and remove what died half made."""
        try:
            with os.scandir(self.directory) as entries:
                names = [entry.name for entry in entries]
        except OSError as error:
            self._complain(str(self.directory), f"cannot be listed: {error.strerror}")
            return
        self._problems.discard(str(self.directory))
        for name in sorted(names):  # a writer's segments in the order in which they were filled
            if name in self._tails:
                continue
            if NAME.fullmatch(name):
                self._take_up(name)
            elif UNFINISHED_NAME.fullmatch(name):
                self._remove_orphan(self.directory / name)

    def _take_up(self, name: str) -> None:
        tail = SegmentTail(
            self.directory / name,
            self._told.get(name, RECORDS_AT),
            self._told.get(f"{name}#dropped", 0),
            self._told.get(f"{name}#errors", 0),
        )
        if self._open(tail):
            self._unseen.pop(name, None)
            self._tails[name] = tail
            self._rest(tail)

    def _remove_orphan(self, path: Path) -> None:
        """Remove a segment whose writer died while making it."""
        try:
            if time.time() - path.lstat().st_mtime < ORPHAN_SECONDS:
                return
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # its writer lives, and is slow
        else:
            self._delete(path)
        finally:
            os.close(fd)

    def _heads(self) -> list[SegmentTail]:
        """Return each writer's first unread segment, beginning with another writer each time."""
        first: dict[str, SegmentTail] = {}
        for tail in self._tails.values():
            if not tail.finished:
                first.setdefault(tail.writer, tail)
        heads = list(first.values())
        self._turn += 1
        turn = self._turn % len(heads) if heads else 0
        return heads[turn:] + heads[:turn]

    def _read_from(self, tail: SegmentTail, limit: int, payloads: list[bytes]) -> int:
        if not self._open(tail):
            return 0
        try:
            return tail.read(limit, payloads)
        except OSError as error:
            self._complain(str(tail.path), f"cannot be read: {error.strerror}")
            return 0
        finally:
            self._rest(tail)

    def _open(self, tail: SegmentTail) -> bool:
        try:
            tail.open()
        except FileNotFoundError:  # deleted by someone else
            if self._tails.pop(tail.path.name, None):
                self._unseen[tail.path.name] = time.monotonic()
            return False
        except OSError as error:
            self._complain(str(tail.path), f"cannot be opened: {error.strerror}")
            return False
        except JournalError as error:
            self._complain(str(tail.path), f"is left alone: {error}")
            return False
        return True

    def _rest(self, tail: SegmentTail) -> None:
        if len(self._tails) > MAX_OPEN:
            tail.close()

    def _delete(self, path: Path) -> bool:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._complain(str(path), f"cannot be deleted: {error.strerror}")
            return False
        return True

    def _tell(self, positions: dict[str, int], name: str, value: int, initial: int = 0) -> int:
        """Put a position into a chunk where it has changed, and return by how much."""
        change = value - self._told.get(name, initial)
        if change:
            self._told[name] = positions[name] = value
        return change

    def _forget(self, segment: str) -> list[str]:
        names = (segment, f"{segment}#dropped", f"{segment}#errors")
        return [name for name in names if self._told.pop(name, None) is not None]

    def _complain(self, what: str, problem: str) -> None:
        """Log a problem once."""
        if what not in self._problems:
            self._problems.add(what)
            _log.warning("journal: %s %s", what, problem)
