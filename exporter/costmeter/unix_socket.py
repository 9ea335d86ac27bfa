"""Unix sockets at paths of any length: the kernel takes 107 bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LONGEST: Final = 107
"""Source: unix(7), ``sun_path``."""


@contextmanager
def addressed(path: Path) -> Iterator[str]:
    """Yield an address to bind or connect to, for a path; a long one goes through its directory.

    Raises:
        OSError: there is no such directory.
    """
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
