"""What the pipeline does now and then for its ledger: take over, fill again, forget."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from costmeter.budgets.meter import BudgetMeter
from costmeter.clock import Clock
from costmeter.errors import LedgerError
from costmeter.ledger.store import Ledger
from costmeter.sidecar.alert_book import AlertBook
from costmeter.sidecar.collectors import Collectors, Dues
from costmeter.sidecar.publisher import Publisher

log = logging.getLogger(__name__)

RENEW_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 3600.0


class Upkeep:
    """Keeps what is shown in step with a ledger that others write to as well."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        alerts: AlertBook,
        *,
        collectors: Collectors,
        budgets: Callable[[], BudgetMeter],
        clock: Clock,
    ) -> None:
        """Take what is kept up; ``budgets`` returns those in force."""
        self._ledger = ledger
        self._publisher = publisher
        self._alerts = alerts
        self._collectors = collectors
        self._budgets = budgets
        self._clock = clock
        self._dues = Dues()
        self._outdated = False

    def look(self, retention_ns: int) -> None:
        """Do what is due: between commits, since all that is committed is read again.

        Args:
            retention_ns: how old events and alerts may get, in nanoseconds.
        """
        now_ns = self._clock.now_ns()
        self._outdated |= self._budgets().lacks(now_ns)
        try:
            self._outdated |= self._ledger.changed()
        except LedgerError:
            self._outdated = True  # perhaps; it is read again, which tells
        if self._outdated and self._dues.is_due("renew", RENEW_SECONDS):
            self._renew(now_ns)
        if self._dues.is_due("prune", PRUNE_SECONDS):
            try:
                self._ledger.prune(now_ns - retention_ns)
                self._alerts.prune(now_ns - retention_ns)
            except LedgerError as error:
                log.warning("old events stay for now: %s", error)

    def _renew(self, now_ns: int) -> None:
        """Take series and budgets as the ledger has them; tried again where that fails."""
        began = time.monotonic()
        problem = ""
        try:
            self._publisher.load(self._ledger.series())
            self._budgets().fill(now_ns)
            self._outdated = False
        except LedgerError as error:
            problem = f"budgets lack what another process wrote: {error}"
        self._collectors.report("budgets", began, problem)
