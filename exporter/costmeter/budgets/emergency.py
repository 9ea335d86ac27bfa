"""Budgets in emergency: for reasons that come and go, kept in the ledger through restarts.

A budget is in emergency as long as there is one reason: an alert that fires, or somebody who said
so. What follows of it is for the gate to decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from costmeter.clock import Clock
from costmeter.ledger import audit
from costmeter.ledger.audit import Change
from costmeter.ledger.store import Ledger

BY_HAND: Final = "by hand"
"""The reason of who turned an emergency on; all others are alerts."""


class Emergencies:
    """The budgets in emergency, why and until when.

    Any thread may ask; whoever writes to the ledger begins and ends. What these change is written
    to the audit trail with it.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        """Take what the ledger has.

        Raises:
            LedgerError: it cannot be read.
        """
        self._ledger = ledger
        self._clock = clock
        self._until: Mapping[str, Mapping[str, int | None]] = {}
        self.load()

    def load(self) -> None:
        """Take what the ledger has, in place of what is there: after a transaction that failed.

        Raises:
            LedgerError: it cannot be read; what is there stays.
        """
        found: defaultdict[str, dict[str, int | None]] = defaultdict(dict)
        for budget, reason, until_ns in self._ledger.read("SELECT * FROM emergency"):
            found[budget][reason] = until_ns
        self._until = dict(found)  # put in place whole: others read it meanwhile

    def active(self, budget: str) -> bool:
        """Tell whether a budget is in emergency now."""
        return bool(budget in self._until and self.reasons(budget))

    def reasons(self, budget: str) -> dict[str, int | None]:
        """Return why a budget is in emergency now: each reason, and the instant when it lapses.

        Instants are nanoseconds since 1970, None where it lasts until it is ended. Empty where the
        budget is in none.
        """
        now_ns = self._clock.now_ns()
        return {
            reason: until_ns
            for reason, until_ns in self._until.get(budget, {}).items()
            if until_ns is None or now_ns < until_ns
        }

    def begin(self, budget: str, until_ns: int | None, reason: str, *, who: str = "") -> None:
        """Put a budget in emergency; for a reason that there is already, until a new instant.

        Args:
            budget: its name.
            until_ns: when it lapses by itself, in nanoseconds since 1970; None is never.
            reason: what :meth:`end` is told.
            who: the user or token that has it begun.

        Raises:
            LedgerError: it cannot be written; nothing has changed.
        """
        self._change(budget, {**self.reasons(budget), reason: until_ns}, reason, who)

    def end(self, budget: str, reason: str | None = None, *, who: str = "") -> None:
        """End a budget's emergency as far as a reason goes; None ends it whatever the reasons.

        Raises:
            LedgerError: it cannot be written; nothing has changed.
        """
        kept = {} if reason is None else self.reasons(budget)
        kept.pop(reason or "", None)
        self._change(budget, kept, reason or BY_HAND, who)

    def _change(self, budget: str, after: Mapping[str, int | None], reason: str, who: str) -> None:
        before = self.reasons(budget)
        if after == before:
            return
        now_ns = self._clock.now_ns()
        change = Change(
            time_ns=now_ns,
            source="api" if reason == BY_HAND else "alert",
            who=who,
            budget=budget,
            subject="emergency",
            before={"until_ns": before} if before else None,
            after={"until_ns": dict(after)} if after else None,
        )
        with self._ledger.transaction() as connection:
            connection.execute(
                "DELETE FROM emergency WHERE budget = ? OR until_ns <= ?", (budget, now_ns)
            )
            connection.executemany(
                "INSERT INTO emergency VALUES (?, ?, ?)",
                [(budget, each, until_ns) for each, until_ns in after.items()],
            )
            audit.append(connection, [change])
        self.load()
