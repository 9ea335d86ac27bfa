"""How the parts of the pipeline did last, and when each is due."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Collector:
    """How a part of the pipeline did last: seconds it took, and whether it succeeded."""

    seconds: float = 0.0
    success: bool = True
    problem: str = ""


class Collectors(dict[str, Collector]):
    """All parts by name."""

    def __init__(self, names: Iterable[str]) -> None:
        """Begin with all of them well."""
        super().__init__({name: Collector() for name in names})

    def report(self, name: str, began: float, problem: str = "") -> None:
        """Take note of how a part did.

        Args:
            name: which one.
            began: when it began, in seconds of the monotonic clock.
            problem: what went wrong, if anything.
        """
        collector = self[name]
        collector.seconds = time.monotonic() - began
        collector.success = not problem
        collector.problem = problem


class Dues:
    """When what is done now and then was done last."""

    def __init__(self) -> None:
        """Begin with everything due."""
        self._next: dict[str, float] = {}

    def is_due(self, name: str, every: float) -> bool:
        """Tell whether something is due; if so, it is again in so many seconds."""
        now = time.monotonic()
        if now < self._next.get(name, 0.0):
            return False
        self._next[name] = now + every
        return True

    def hurry(self, *names: str) -> None:
        """Have things due at once."""
        for name in names:
            self._next.pop(name, None)
