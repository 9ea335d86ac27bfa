"""The made-up company's budgets: what each has spent, and what the rules would have recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from costmeter import names
from costmeter.budgets.budget import THRESHOLDS, severity
from costmeter.budgets.period import WINDOWS, Period, Window, period
from costmeter.units import NANO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.dashboards.exposed import Meter

DAY: Final = 86_400
ZONE: Final = ZoneInfo("UTC")
DELTAS: Final = {"1h": 3600, "6h": 6 * 3600, "1d": DAY, "7d": 7 * DAY}
"""Seconds of the windows whose rules are recorded."""


@dataclass(frozen=True)
class Planned:
    """A budget of the company: soft and hard limits in whole US dollars by window."""

    name: str
    match: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    policy: str = "warn"
    limits: Mapping[Window, tuple[int, int | None]] = field(default_factory=dict)
    rollover: int = 0
    """US dollars that its month inherited, which its limits include."""


BUDGETS: Final = (
    Planned(names.ALL_SPEND, owner="finance", limits={"day": (450, None), "month": (10_000, 12_000)}),
    Planned("research", {"team": "research"}, "research-leads", "soft",
            {"week": (1_250, 1_500), "month": (4_500, 5_200)}, 500),
    Planned("search", {"team": "search"}, "search-leads", "hard", {"month": (1_300, 1_600)}),
    Planned("enrichment", {"feature": "enrich"}, "data-platform", "hard",
            {"day": (4, 6), "month": (90, 100)}),
    Planned("anthropic", {"provider": "anthropic"}, "platform", limits={"month": (4_000, None)}),
)  # fmt: skip


class Budgets:
    """How all of them stand, shown by a meter."""

    def __init__(self, meter: Meter, ledger: str) -> None:
        self._accounts = [_Account(planned, meter, ledger) for planned in BUDGETS]

    def spend(self, labels: Mapping[str, str], nano: int) -> None:
        """Count spend for each budget that it matches."""
        for account in self._accounts:
            account.spent += nano * account.covers(labels)

    def credit(self, labels: Mapping[str, str], nano: int) -> None:
        """Count what came back."""
        for account in self._accounts:
            account.credited += nano * account.covers(labels)

    def show(self, now: int) -> None:
        """Show how they stand at an instant, in seconds since 1970."""
        for account in self._accounts:
            account.show(now)


class _Account:
    """One budget's spend since the company began."""

    def __init__(self, planned: Planned, meter: Meter, ledger: str) -> None:
        self.spent = self.credited = 0
        self._planned, self._meter, self._ledger = planned, meter, ledger
        self._marks: dict[Window, tuple[Period, int, int]] = {}
        self._history: dict[int, int] = {}
        self._budget = {"budget": planned.name}
        self._asked = 0

    def covers(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(label) == value for label, value in self._planned.match.items())

    def show(self, now: int) -> None:
        info = {**self._budget, "owner": self._planned.owner, "policy": self._planned.policy}
        self._meter.set(names.BUDGET_INFO, {**info, "timezone": "UTC"}, 1)
        self._history[now] = self.spent
        self._deltas(now)
        self._gate()
        for window in WINDOWS:
            self._period(window, now)
        for window in self._planned.limits:
            self._limits(window)

    def _gate(self) -> None:
        """Ask the gate as often as money is spent; what is over its hard limit is refused."""
        _, hard = self._planned.limits.get("month", (0, None))
        spent = self.spent - self._marks["month"][1] if "month" in self._marks else 0
        over = hard is not None and spent >= hard * NANO
        asked = 1000 * (self.spent - self._asked) // NANO
        self._asked = self.spent
        gated = self._planned.policy == "hard"
        counts = {
            "allowed": asked * gated * (not over), "warned": 0, "unavailable": 0,
            "refused": asked * gated * over, "critical": asked // 8 * gated * over,
        }  # fmt: skip
        for outcome, count in counts.items():
            self._meter.add(names.GATE_CHECKS, {**self._budget, "outcome": outcome}, count)
        self._meter.set(names.GATE_RESERVED, self._budget, asked * gated * NANO // 500)
        self._meter.set(names.BUDGET_EMERGENCY, self._budget, over)

    def _deltas(self, now: int) -> None:
        for name, seconds in DELTAS.items():
            self._record(f"budget:cost_spend_usd:delta{name}", {}, self._gained(now, seconds))
        past = [self._gained(now - weeks * 7 * DAY, 3600) for weeks in range(1, 5)]
        known = [hour for hour in past if hour is not None]
        usual = sum(known) // 4 if len(known) == 4 else max(known[:2]) if len(known) > 1 else None
        self._record("budget:cost_spend_usd:delta1h_usual", {}, usual)

    def _period(self, window: Window, now: int) -> None:
        this = period(window, now * NANO, ZONE)
        if window not in self._marks or self._marks[window][0] != this:
            if window in self._marks:
                self._close(self._marks[window][0])
            self._marks[window] = this, self.spent, self.credited
        _, before, credited_before = self._marks[window]
        spent, credited = self.spent - before, self.credited - credited_before
        of = {**self._budget, "window": window, "period": this.key}
        start, end = this.start_ns // NANO, this.end_ns // NANO
        self._meter.set(names.BUDGET_SPEND, {**of, "ledger": self._ledger}, spent)
        self._meter.set(names.BUDGET_CREDIT, {**of, "ledger": self._ledger}, credited)
        self._meter.set(names.BUDGET_PERIOD_START, of, start)
        self._meter.set(names.BUDGET_PERIOD_END, of, end)
        self._record("budget_period:cost_gross_spend:usd", of, spent)
        self._record("budget_period:cost_spend:usd", of, spent - credited)
        self._record("budget:cost_spend:usd", of, spent - credited)
        self._record("budget:cost_period_start:timestamp_seconds", of, start * NANO)
        self._record("budget:cost_period_end:timestamp_seconds", of, end * NANO)
        if window in self._planned.limits:
            share = (spent - credited) // self._planned.limits[window][0]
            self._record("budget:cost_spend:ratio", of, share)
        if window == "month":
            week = self._gained(now, 7 * DAY)
            if week is not None:
                ahead = week * (end - now) // (7 * DAY)
                self._record("budget:cost_forecast:usd", of, spent - credited + ahead)
            elif now - start > DAY // 2:
                whole = spent * (end - start) // (now - start)
                self._record("budget:cost_forecast:usd", of, whole)

    def _close(self, over: Period) -> None:
        """Stop showing a period that is over."""
        of = {**self._budget, "window": over.window, "period": over.key}
        for family in (names.BUDGET_SPEND, names.BUDGET_CREDIT):
            self._meter.forget(family.name, {**of, "ledger": self._ledger})
        for family in (names.BUDGET_PERIOD_START, names.BUDGET_PERIOD_END):
            self._meter.forget(family.name, of)
        for rule in ("budget_period:cost_gross_spend:usd", "budget_period:cost_spend:usd",
                     "budget:cost_spend:usd", "budget:cost_period_start:timestamp_seconds",
                     "budget:cost_period_end:timestamp_seconds"):  # fmt: skip
            self._meter.forget(rule, of)
        for rule in ("budget:cost_forecast:usd", "budget:cost_spend:ratio"):
            if self._meter.shows(rule, of):
                self._meter.forget(rule, of)

    def _limits(self, window: Window) -> None:
        of = {**self._budget, "window": window}
        for limit, usd in zip(("soft", "hard"), self._planned.limits[window], strict=True):
            if usd is not None:
                self._meter.set(names.BUDGET_LIMIT, {**of, "limit": limit}, usd * NANO)
                self._record("budget:cost_limit:usd", {**of, "limit": limit}, usd * NANO)
        for share in THRESHOLDS:
            told = {**of, "threshold": str(share), "severity": severity(share)}
            for name in (names.BUDGET_THRESHOLD.name, "budget:cost_threshold:ratio"):
                self._meter.record(name, told, int(share * 100), 100)
        if self._planned.rollover and window == "month":
            self._meter.set(names.BUDGET_ROLLOVER, of, self._planned.rollover * NANO)

    def _gained(self, now: int, seconds: int) -> int | None:
        end, start = self._history.get(now), self._history.get(now - seconds)
        return None if end is None or start is None else end - start

    def _record(self, rule: str, labels: Mapping[str, str], nano: int | None) -> None:
        if nano is not None:
            self._meter.record(rule, {**self._budget, **labels}, nano, NANO)
