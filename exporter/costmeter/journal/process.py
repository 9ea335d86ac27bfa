"""The journal of this process, as its environment names it.

``COSTMETER_JOURNAL`` is the directory, ``COSTMETER_JOURNAL_LIMIT`` the bytes that all segments in
it may have together, and ``COSTMETER_DISABLED=1`` turns recording off. They are read when the first
event is recorded, so that an application may still set them after its imports.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from costmeter.journal.writer import JournalWriter

DEFAULT_DIRECTORY: Final = "/var/lib/costmeter/journal"
DEFAULT_LIMIT_BYTES: Final = 1 << 30


class Journal(Protocol):
    """Where a process's events go."""

    def write(self, payload: bytes) -> bool:
        """Store one event; False where it was dropped. Never raises, never waits."""

    def count_error(self) -> None:
        """Count an error inside costmeter that the application was spared."""

    def close(self) -> None:
        """Finish with what was written; a write after it opens anew."""


class _Disabled:
    """The journal of an application that does not want to be metered."""

    def write(self, payload: bytes) -> bool:  # noqa: ARG002 - the signature is Journal's
        return False

    def count_error(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Unopened:
    """The journal before the first event: opens the real one and takes its own place."""

    def write(self, payload: bytes) -> bool:
        return _open().write(payload)

    def count_error(self) -> None:
        _open().count_error()

    def close(self) -> None:
        pass


journal: Journal = _Unopened()
"""The journal of this process. Always fetch it anew from this module: the first event swaps it."""


def directory() -> Path:
    """Return the directory of the journal of this process."""
    return Path(os.environ.get("COSTMETER_JOURNAL") or DEFAULT_DIRECTORY)


def gate_socket(journal: Path) -> Path:
    """Return where the gate of a journal's exporter listens: in the directory, which both have."""
    return journal / "gate.sock"


def reset() -> None:
    """Close the journal, and read the environment again at the next event."""
    global journal  # noqa: PLW0603 - one journal a process
    journal.close()
    journal = _Unopened()


def _open() -> Journal:
    global journal  # noqa: PLW0603 - one journal a process
    if isinstance(journal, _Unopened):
        if os.environ.get("COSTMETER_DISABLED", "") not in ("", "0"):
            journal = _Disabled()
        else:
            journal = JournalWriter(directory(), limit_bytes=_limit_bytes())
    return journal


def _limit_bytes() -> int:
    """Return the limit that the environment sets, or the default where it makes no sense."""
    text = os.environ.get("COSTMETER_JOURNAL_LIMIT", "")
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text:
        import logging  # noqa: PLC0415 - not needed until there is something to say

        logging.getLogger("costmeter").warning(
            "COSTMETER_JOURNAL_LIMIT: %r is not a number of bytes above 0; %d is used",
            text,
            DEFAULT_LIMIT_BYTES,
        )
    return DEFAULT_LIMIT_BYTES
