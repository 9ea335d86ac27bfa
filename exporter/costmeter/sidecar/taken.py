"""The names of events that were taken one by one, so that each counts once, for a while.

They are positions in the ledger, committed with the sums: a name that is taken is taken with its
money, and stays so across restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from costmeter.units import NANO

WINDOW_SECONDS: Final = 3600
"""How long a name stays taken. Exporters of OpenTelemetry send again for a minute, its Collector
for five by default."""
MAX_NAMES: Final = 500_000
"""How many names are kept at most, the latest; two for each call."""
_PREFIX: Final = "event:"


class Taken:
    """Names that are taken, each since when."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        """Take over the names among the ledger's positions."""
        own = [(time, name) for name, time in positions.items() if name.startswith(_PREFIX)]
        self._since = {name: time for time, name in sorted(own)}  # oldest first, as inserted

    def __contains__(self, name: str) -> bool:
        """Whether a name is taken."""
        return _PREFIX + name in self._since

    def take(self, names: Iterable[str], now_ns: int) -> dict[str, int]:
        """Take names; return the positions that say so, for the ledger."""
        positions = {_PREFIX + name: now_ns for name in names}
        for name in positions:
            self._since.pop(name, None)
        self._since.update(positions)
        return positions

    def forget(self, now_ns: int) -> list[str]:
        """Forget what is too old or too much; return the positions that the ledger may forget."""
        earliest_ns = now_ns - WINDOW_SECONDS * NANO
        forgotten: list[str] = []
        for name, since in self._since.items():
            if since >= earliest_ns and len(self._since) - len(forgotten) <= MAX_NAMES:
                break
            forgotten.append(name)
        for name in forgotten:
            del self._since[name]
        return forgotten
