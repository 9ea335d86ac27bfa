"""Reading the configuration again: what is wrong with it leaves in force what was."""

from __future__ import annotations

from collections.abc import Callable

from costmeter.clock import Clock
from costmeter.errors import ConfigError, CostmeterError
from costmeter.sidecar.config import Config


class Reload:
    """Reads the configuration and has it taken over, whole or not at all.

    Attributes:
        succeeded: whether the last time did; True before the first.
        last_ns: when the configuration in force was read, in nanoseconds since 1970.
    """

    def __init__(
        self,
        load: Callable[[], Config] | None,
        conflicts: Callable[[Config], list[str]],
        take_over: Callable[[Config], None],
        clock: Clock,
    ) -> None:
        """Take what reads, judges and takes over a configuration.

        Args:
            load: reads it; None where it comes from no file.
            conflicts: says what of a configuration cannot be taken over.
            take_over: puts one in force; changes nothing where it raises a CostmeterError.
            clock: what tells the time.
        """
        self._load = load
        self._conflicts = conflicts
        self._take_over = take_over
        self._clock = clock
        self.succeeded = True
        self.last_ns = clock.now_ns()

    def __call__(self) -> list[str]:
        """Read the configuration again; return what is wrong with it, empty where nothing is."""
        self.succeeded = False
        found = self._problems()
        if not found:
            self.succeeded = True
            self.last_ns = self._clock.now_ns()
        return found

    def _problems(self) -> list[str]:
        if self._load is None:
            return ["there is no configuration file to read again"]
        try:
            config = self._load()
            found = self._conflicts(config)
            if not found:
                self._take_over(config)
        except ConfigError as error:
            return list(error.problems)
        except CostmeterError as error:
            return [str(error)]
        return found
