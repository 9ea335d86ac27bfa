"""The file format of the journal, and a segment that is being written.

A segment is a file of one writing process, allocated in full and filled with zeros before it is
used, then moved under its final name. All integers are little-endian and unsigned.

    ======  =====  ==================================================================
    offset  bytes  header
    ======  =====  ==================================================================
         0      8  :data:`MAGIC`
         8      4  :data:`VERSION`
        12      4  process id of the writer, as the writer's own namespace numbers it
        16      8  when it was made, in nanoseconds since 1970-01-01 UTC
        24      8  sealed: 1 once the writer adds nothing more
        32      8  events dropped for want of a segment or for their size
        40      8  errors inside costmeter that the application was spared
        48     16  zeros
        64         records
    ======  =====  ==================================================================

A record is the payload's length (4 bytes), the payload's checksum (4 bytes) and the payload: one
:class:`~costmeter.usage.UsageEvent` as a JSON array. A length of zero means that nothing has been
stored there yet. A record goes into the mapping with a single copy, so what tells a reader that a
record is whole is not the order of stores but its checksum: Adler-32, which for the 210 bytes of a
usual record takes zlib 80 ns, where CRC-32 takes 190, and finds every changed byte and every torn
end of such a record.

The writer holds ``flock(LOCK_EX)`` on a segment for as long as it lives. A segment is *final* when
it is sealed or when that lock is free: nothing will be added to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import struct
import time
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from costmeter.usage import MAX_EVENT_BYTES

MAGIC: Final = b"costmtr\n"
VERSION: Final = 1

SEALED_AT: Final = 24
DROPPED_AT: Final = 32
ERRORS_AT: Final = 40
RECORDS_AT: Final = 64
"""Offsets, in bytes."""

SMALLEST_BYTES: Final = 256 << 10
LARGEST_BYTES: Final = 8 << 20
"""The sizes of segments that writers make, in bytes."""
MAX_SEGMENT_BYTES: Final = 64 << 20
"""The largest file that a reader takes for a segment, in bytes."""

RECORD_HEAD: Final = struct.Struct("<II")
"""Length of the payload in bytes, and its checksum."""
checksum: Final = zlib.adler32
MAX_RECORD_BYTES: Final = RECORD_HEAD.size + MAX_EVENT_BYTES

NAME: Final = re.compile(r"([0-9a-f]{32})-[0-9]{6,12}\.segment", re.ASCII)
"""A segment's file name: its writer's id, unique for ever, and a number counting up from 1."""
UNFINISHED_NAME: Final = re.compile(r"\.[0-9a-f]{32}-[0-9]{6,12}\.segment", re.ASCII)
"""The name of a segment that is still being made."""

_HEADER: Final = struct.Struct("<8sIIQQQQ")
_ZEROS: Final = bytes(SMALLEST_BYTES)
_MADV_POPULATE_WRITE: Final = 23
"""Of Linux's ``mman-common.h``; Python has no name for it."""
_POPULATE_BYTES: Final = 64 << 10


class Header(NamedTuple):
    """The header of a segment, in the order of its fields."""

    magic: bytes
    version: int
    pid: int
    created_ns: int
    sealed: int = 0
    dropped: int = 0
    errors: int = 0


def parse_header(block: bytes) -> Header | None:
    """Return the header that a file begins with; None where it is no segment of this version."""
    if len(block) < _HEADER.size:
        return None
    header = Header._make(_HEADER.unpack_from(block))
    return header if header.magic == MAGIC and header.version == VERSION else None


class OpenSegment:
    """A segment that this process writes: allocated, mapped and locked.

    Attributes:
        path: the file.
        append: stores one record, or raises ``ValueError`` where it does not fit or the segment is
            sealed or closed.
    """

    __slots__ = ("_mapping", "append", "path")

    def __init__(self, directory: Path, name: str, size: int) -> None:
        """Make a file of ``size`` bytes under a temporary name, and rename it once it is whole.

        Raises:
            OSError: the directory or the disk does not allow it; nothing is left behind.
        """
        self.path = directory / name
        unfinished = directory / f".{name}"
        fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A store into a page that the disk has no room for would kill the application.
            os.posix_fallocate(fd, 0, size)
            for offset in range(0, size, len(_ZEROS)):
                os.pwrite(fd, _ZEROS[: size - offset], offset)
            os.pwrite(fd, _HEADER.pack(*Header(MAGIC, VERSION, os.getpid(), time.time_ns())), 0)
            # The mapping has a duplicate of the descriptor, and with it the lock.
            self._mapping = mmap.mmap(fd, size)
            self._mapping.seek(RECORDS_AT)
            # With all pages in memory and mapped, no store costs the caller a page fault. In small
            # steps, since each keeps the GIL; kernels before Linux 5.14 do not know how.
            with contextlib.suppress(OSError):
                for offset in range(0, size, _POPULATE_BYTES):
                    self._mapping.madvise(_MADV_POPULATE_WRITE, offset, _POPULATE_BYTES)
            unfinished.rename(self.path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        self.append = self._mapping.write

    def add(self, offset: int, amount: int) -> None:
        """Add to the counter at an offset of the header."""
        counter = slice(offset, offset + 8)
        value = int.from_bytes(self._mapping[counter], "little") + amount
        self._mapping[counter] = value.to_bytes(8, "little")

    def seal(self) -> None:
        """Take no more records, and tell the reader so."""
        self._mapping.seek(0, os.SEEK_END)  # from here on there is no room for another record
        self.add(SEALED_AT, 1)

    def close(self) -> None:
        """Unmap the file, and with it give up this process's hold on the lock."""
        self._mapping.close()
