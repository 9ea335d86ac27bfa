"""Every error that costmeter raises.

CostmeterError
├── ConfigError      the configuration is wrong: all problems at once, each with its path
├── JournalError     a journal directory or segment cannot be used
├── LedgerError      a ledger cannot be opened or written
├── PricingError     prices cannot be read or a price cannot be found
└── UsageError       a usage event breaks a limit or has a field of the wrong kind
"""

from __future__ import annotations

from collections.abc import Sequence


class CostmeterError(Exception):
    """The root of all errors of costmeter."""


class ConfigError(CostmeterError):
    """A configuration has problems; ``problems`` lists every one of them, with path and value."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        """Take the configuration's file name and the problems found in it."""
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class JournalError(CostmeterError):
    """A journal directory or one of its segments cannot be used."""


class LedgerError(CostmeterError):
    """A ledger is corrupt, foreign, of a newer version, locked or not writable."""


class PricingError(CostmeterError):
    """Prices cannot be read, or there is no price for what was asked."""


class UsageError(CostmeterError):
    """A usage event breaks a limit or has a field of the wrong kind."""
