"""Alerts that came back: kept in the ledger, counted, and what follows of them for budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple, get_args

from costmeter.budgets.budget import Budget, Severity
from costmeter.budgets.emergency import Emergencies
from costmeter.budgets.period import WINDOWS, period
from costmeter.errors import LedgerError
from costmeter.ledger import alerts as kept
from costmeter.ledger.alerts import Alert
from costmeter.ledger.store import Ledger

SEVERITIES: Final = (*get_args(Severity), "other")
"""Values of the label ``severity`` of what was received."""
_COUNTED: Final = (
    *product(("firing", "resolved"), SEVERITIES),
    *product(("repeated", "truncated", "refused"), ("",)),
)


class Taken(NamedTuple):
    """How many alerts of a notification were news, and how many were known."""

    news: int
    repeated: int


class AlertBook:
    """Takes alerts, each once.

    Attributes:
        counts: alerts received since the start by status (``firing``, ``resolved``, ``repeated``,
            ``truncated``, ``refused``) and severity, which only the first two have.
    """

    def __init__(self, ledger: Ledger, emergencies: Emergencies) -> None:
        """Keep alerts in a ledger and put budgets in emergency."""
        self._ledger = ledger
        self._emergencies = emergencies
        self.counts = Counter(dict.fromkeys(_COUNTED, 0))

    def take(
        self,
        alerts: Sequence[Alert],
        budgets: Mapping[str, Budget],
        *,
        emergency: Sequence[str],
        who: str,
    ) -> Taken:
        """Keep alerts that are news, together with the emergencies that they begin or end.

        Args:
            alerts: what Alertmanager tells of.
            budgets: the budgets that there are, by name.
            emergency: names of the alerts that put a budget in emergency.
            who: the user or token that posted them.

        Raises:
            LedgerError: nothing of it was written.
        """
        try:
            with self._ledger.transaction() as connection:
                news = kept.take(connection, alerts)
                for alert in news:
                    budget = budgets.get(alert.labels.get("budget", ""))
                    if budget is not None:
                        self._follow(alert, budget, begins=alert.name in emergency, who=who)
        except LedgerError:
            self._emergencies.load()
            raise
        for alert in news:
            severity = alert.labels.get("severity", "")
            self.counts[alert.status, severity if severity in SEVERITIES else "other"] += 1
        self.counts["repeated", ""] += len(alerts) - len(news)
        return Taken(len(news), len(alerts) - len(news))

    def prune(self, before_ns: int) -> None:
        """Forget alerts that were last told of before an instant, in nanoseconds since 1970.

        Raises:
            LedgerError: nothing of it was written.
        """
        with self._ledger.transaction() as connection:
            kept.prune(connection, before_ns)

    def _follow(self, alert: Alert, budget: Budget, *, begins: bool, who: str) -> None:
        reason = f"{alert.name} {alert.fingerprint}"
        if alert.ends_ns is not None:
            self._emergencies.end(budget.name, reason, who=who)
        elif begins:
            # To the end of the period that it began in, should no word of its end ever come.
            named = alert.labels.get("window")
            window = next((each for each in WINDOWS if each == named), WINDOWS[0])
            until_ns = period(window, alert.starts_ns, budget.zone).end_ns
            if alert.received_ns < until_ns:
                self._emergencies.begin(budget.name, until_ns, reason, who=who)
