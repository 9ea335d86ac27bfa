"""Files that one process at a time may hold, for as long as it lives however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

_MODE: Final = 0o600
_LONGEST_NUMBER: Final = 20


def hold(path: Path) -> int:
    """Take the lock of a file, which is made; closing the returned descriptor gives it back.

    Raises:
        BlockingIOError: another process holds it; ``strerror`` says which.
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        owner = os.pread(descriptor, _LONGEST_NUMBER, 0).decode(errors="replace")
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise BlockingIOError(error.errno, f"in use by process {owner}") from None
        raise
    return descriptor
