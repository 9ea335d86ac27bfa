"""Every error that costmeter raises.

CostmeterError
├── BudgetExceededError  a budget does not allow what was about to be spent
├── ConfigError          the configuration is wrong: all problems at once, each with its path
├── JournalError         a journal directory or segment cannot be used
├── LedgerError          a ledger cannot be opened or written
│   └── OverfullError    what is to be written does not fit into 64 bits, now or ever
├── PricingError         prices cannot be read or a price cannot be found
└── UsageError           a usage event breaks a limit or has a field of the wrong kind
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


class CostmeterError(Exception):
    """The root of all errors of costmeter."""


class BudgetExceededError(CostmeterError):
    """The gate refused a call: with it, a budget would have reached its hard limit.

    Attributes:
        reason: what there is to say, in a sentence.
        budget: the budget's name; empty where the gate is closed because it cannot be asked.
        window: its ``day``, ``week`` or ``month``; empty as well.
        spent_usd: what was spent of it, in US dollars; None where not known.
        limit_usd: its hard limit, in US dollars; None where not known.
        resets_at: when its period ends; None where not known.
    """

    def __init__(
        self,
        reason: str,
        *,
        budget: str = "",
        window: str = "",
        spent_usd: Decimal | None = None,
        limit_usd: Decimal | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        """Take the reason and what it stands on."""
        super().__init__(reason)
        self.reason = reason
        self.budget = budget
        self.window = window
        self.spent_usd = spent_usd
        self.limit_usd = limit_usd
        self.resets_at = resets_at


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


class OverfullError(LedgerError):
    """A sum would not fit into 64 bits: it cannot be committed, however often it is tried."""


class PricingError(CostmeterError):
    """Prices cannot be read, or there is no price for what was asked."""


class UsageError(CostmeterError):
    """A usage event breaks a limit or has a field of the wrong kind."""
