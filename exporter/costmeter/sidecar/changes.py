"""What can be changed over HTTP: budgets, emergencies, alerts taken in.

All of it is done on the pipeline's thread, one after another and between commits: a changed budget
is filled from a ledger that has all that was taken, and no cent falls in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from costmeter.budgets.budget import Budget
from costmeter.budgets.emergency import BY_HAND
from costmeter.ledger import alerts, audit
from costmeter.ledger.alerts import Alert
from costmeter.ledger.audit import Change
from costmeter.sidecar.alert_book import Taken
from costmeter.sidecar.asked import Outcome
from costmeter.sidecar.budget_book import (
    Listed,
    Precondition,
    Proposal,
    UnknownBudgetError,
)
from costmeter.sidecar.pipeline import Pipeline

log = logging.getLogger(__name__)


class Changes:
    """Carries out what is asked for; each future is done once the ledger has it.

    A future fails with a :class:`~costmeter.errors.CostmeterError`: of
    :class:`~costmeter.sidecar.budget_book.BudgetBook`'s where it says no, ``UnavailableError`` or
    ``LedgerError`` where it cannot be done now.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        """Change what a pipeline has."""
        self._pipeline = pipeline

    # -- from any thread -----------------------------------------------------------------------

    @property
    def problems(self) -> tuple[str, ...]:
        """Why some budgets of the API are not in force."""
        return self._pipeline.book.problems

    def listed(self) -> dict[str, Listed]:
        """Return all budgets by name, and where each comes from."""
        return self._pipeline.book.listed(self._pipeline.config)

    def emergency(self, name: str) -> dict[str, int | None]:
        """Return why a budget is in emergency; see ``Emergencies.reasons``."""
        return self._pipeline.emergencies.reasons(name)

    def trail(self, since_ns: int, budget: str, limit: int) -> list[Change]:
        """Return the latest changes of budgets; see :func:`costmeter.ledger.audit.trail`."""
        path = self._pipeline.config.ledger
        return audit.trail(path, limit=limit, since_ns=since_ns, budget=budget)

    def recent_alerts(self, since_ns: int, limit: int) -> list[Alert]:
        """Return recent alerts; see :func:`costmeter.ledger.alerts.recent`."""
        return alerts.recent(self._pipeline.config.ledger, since_ns, limit=limit)

    def refused(self, notifications: int) -> None:
        """Count notifications that were not taken."""
        self._pipeline.alerts.counts["refused", ""] += notifications

    # -- carried out on the pipeline's -----------------------------------------------------------

    def put_budget(
        self, name: str, given: object, who: str, agrees: Precondition
    ) -> Future[Listed]:
        """Make a budget, or change one that was made so; see ``BudgetBook.put``."""

        def put() -> Listed:
            book, config = self._pipeline.book, self._pipeline.config
            self._accept(book.put(config, name, given, who, agrees))
            return book.listed(config)[name]

        return self._between_commits(put)

    def remove_budget(self, name: str, who: str, agrees: Precondition) -> Future[None]:
        """Remove a budget that was made so, with its emergency; see ``BudgetBook.remove``."""

        def remove() -> None:
            book, config = self._pipeline.book, self._pipeline.config
            self._accept(book.remove(config, name, who, agrees))
            if name not in book.listed(config):
                self._pipeline.emergencies.end(name, who=who)

        return self._between_commits(remove)

    def switch_emergency(self, name: str, who: str, *, on: bool) -> Future[None]:
        """Put a budget in emergency until it is taken out, or take it out whatever put it there.

        The future fails with ``UnknownBudgetError`` where there is no such budget.
        """

        def switch() -> None:
            if name not in self._budgets():
                raise UnknownBudgetError(f"{name!r}: no such budget")
            emergencies = self._pipeline.emergencies
            if on:
                emergencies.begin(name, None, BY_HAND, who=who)
            else:
                emergencies.end(name, who=who)

        return self._between_commits(switch)

    def take_alerts(self, told: Sequence[Alert], truncated: int, who: str) -> Future[Taken]:
        """Keep alerts, and begin or end the emergencies that follow of them.

        Args:
            told: what Alertmanager tells of.
            truncated: how many it left out.
            who: the user or token that posts them.
        """

        def take() -> Taken:
            book = self._pipeline.alerts
            emergency = self._pipeline.config.alerts.emergency
            taken = book.take(told, self._budgets(), emergency=emergency, who=who)
            if truncated:
                book.counts["truncated", ""] += truncated
                log.warning("Alertmanager left %d alerts out of a notification", truncated)
            return taken

        return self._pipeline.between_commits(take)

    def _between_commits(self, change: Callable[[], Outcome]) -> Future[Outcome]:
        def changed() -> Outcome:
            self._pipeline.check_committed()
            return change()

        return self._pipeline.between_commits(changed)

    def _accept(self, proposal: Proposal | None) -> None:
        if proposal is not None:
            budgets = self._pipeline.new_budgets(self._pipeline.config, proposal.made)
            self._pipeline.book.accept(proposal)
            self._pipeline.put_in_force(budgets)

    def _budgets(self) -> dict[str, Budget]:
        return {each.name: each for each in self._pipeline.budgets.budgets}
