"""A small file of ``/proc`` or of a cgroup, kept open: reading it again costs less than half."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import ClassVar, Final

MAX_BYTES: Final = 16_384
"""More than any file read here has; ``memory.stat``, the longest, has about 2,000."""

_GONE: Final = (errno.ENOENT, errno.ESRCH, errno.ENODEV)
"""What the kernel answers for a process or a cgroup that is gone, open file or not."""


class KeptFile:
    """A file that is opened at its first read and stays open, as long as there are not too many.

    An open file of ``/proc/<pid>`` stays bound to its process: when the id is used again, it
    does not show the new process.
    """

    LIMIT: ClassVar[int] = 256
    """Files kept open in this process; those beyond are opened for each read."""
    _kept: ClassVar[int] = 0

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """Return the file's content now.

        Raises:
            FileNotFoundError: what the file tells of is gone.
            OSError: it cannot be read for another reason.
        """
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                KeptFile._kept += 1
            content = os.pread(self._descriptor, MAX_BYTES, 0)
        except OSError as error:
            self.close()
            if error.errno in _GONE:
                raise FileNotFoundError(f"{self.path} is not there") from None
            raise
        if not content:
            self.close()
            raise FileNotFoundError(f"{self.path} is empty")
        if KeptFile._kept > self.LIMIT:
            self.close()
        return content

    def close(self) -> None:
        """Close the file; the next read opens it again by its path."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            KeptFile._kept -= 1
            self._descriptor = -1
