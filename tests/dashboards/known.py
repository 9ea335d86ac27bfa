"""A past that is known to the nano-dollar, and a Prometheus over it.

Nine days and six hours of the present, with all that makes amounts go wrong: labels that are new, a
restart, a ledger that is gone, one that moves, money that comes back. Written down by the minute
before the end, in nano-dollars; each of these amounts is in the comment beside it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from costmeter import names
from costmeter.budgets.period import period
from costmeter.units import NANO
from tests.dashboards.boards import TARGETS, Target, target
from tests.dashboards.exposed import TARGET, Meter, Past
from tests.dashboards.exposed import Target as Sidecar
from tests.dashboards.server import Prometheus

if TYPE_CHECKING:
    pass

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

CHAT: Final = {"provider": "openai", "model": "gpt-4o", "endpoint": "/chat", "feature": "assist",
               "team": "support"}  # fmt: skip
AGENT: Final = {"provider": "anthropic", "model": "claude", "endpoint": "/agent", "team": "lab"}
BATCH: Final = {"provider": "openai", "model": "gpt-4o-mini", "endpoint": "/batch",
                "feature": "assist"}  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Something that was spent: how many minutes before the end, and nano-dollars of what for."""

    minutes: int
    labels: dict[str, str]
    input: int = 0
    output: int = 0
    credit: int = 0
    ledger: int = 0
    failed: bool = False


SPENDING: Final = (
    Spent(8 * 24 * 60, CHAT, input=60 * NANO, output=40 * NANO),  # 100, long ago
    Spent(7 * 24 * 60 + 180, CHAT, input=4 * NANO),  # 4, a week before the last six hours
    Spent(20 * 60, CHAT, output=NANO),  # 1
    Spent(5 * 60, CHAT, input=NANO, output=1_500_000_000),  # 2.5
    Spent(330, BATCH, input=3 * NANO, ledger=1),  # 3, by a ledger that is gone five hours ago
    Spent(4 * 60, AGENT, input=250_000_000, output=500_000_000),  # 0.75, labels are new
    Spent(185, CHAT, output=125_000_000, failed=True),  # 0.125, while Prometheus sees nothing
    Spent(110, CHAT, credit=500_000_000),  # -0.5
    Spent(30, AGENT, output=250_000_000),  # 0.25
    Spent(20, AGENT, output=1),  # 0.000000001: the smallest there is
)
RESTART: Final = (190, 180)
"""Minutes before the end between which Prometheus sees nothing of the first ledger."""
GONE: Final = 300
"""Minutes before the end at which the second ledger is gone."""
MOVED: Final = 90
"""Minutes before the end at which the first ledger moves to another address."""
FIRST_SEEN: Final = {9 * 24 * 60: CHAT, 400: BATCH, 245: AGENT}
"""Minutes before the end at which series are first seen, at 0."""
UNPRICED: Final = 45
"""Minutes before the end at which two events come that have no price."""

MINE: Final = ("overview.json", "models.json", "features.json")
"""The dashboards that this past has something for."""
QUIET: Final = frozenset({
    "Failed calls by status",
    "P50 of a call",
    "P95 of a call",
    "P50 to the first token",
    "P95 to the first token",
})  # fmt: skip
"""Panels that say that nothing happened: no call failed, and none was made lately."""

HERE: Final = TARGET
BEFORE: Final = {**TARGET, "instance": "10.0.0.7:9464"}
OTHER: Final = {**TARGET, "instance": "10.0.0.8:9464"}

LAST_6H: Final = 6.125000001  # 2.5 + 3 + 0.75 + 0.125 - 0.5 + 0.25 + 0.000000001
RANGES: Final = {
    HOUR: 0.250000001,
    100 * MINUTE: 0.250000001,  # the ledger moves
    184 * MINUTE: -0.124999999,  # begins where nothing is seen: 0.125 counts as seen, afterwards
    6 * HOUR: LAST_6H,
    DAY: 7.125000001,  # and 1
    10 * DAY: 111.125000001,  # and 100 and 4
}
SPLIT: Final = {
    "model": {"gpt-4o": 2.125, "gpt-4o-mini": 3.0, "claude": 1.000000001},
    "provider": {"openai": 5.125, "anthropic": 1.000000001},
    "endpoint": {"/chat": 2.125, "/batch": 3.0, "/agent": 1.000000001},
    "feature": {"assist": 5.125, "(none)": 1.000000001},
    "team": {"support": 2.125, "lab": 1.000000001, "(none)": 3.0},
    "component": {"input": 4.25, "output": 2.375000001, "credit": -0.5},
}
"""The last six hours."""


LIMIT: Final = 80 * NANO
"""Of each of the day, the week and the month."""

LIVE: Final = 0.03125
"""Spent after the end, before the sidecar is restarted."""
RESTARTED: Final = 0.0625
"""Spent while it is restarted."""


def count(meter: Meter, spent: Spent, calls: int = 1) -> None:
    """Count something as one call of 600 tokens in, 200 from a cache and 50 into it, and 400 out."""
    meter.add(names.SPEND, {**spent.labels, "component": "input"}, spent.input)
    meter.add(names.SPEND, {**spent.labels, "component": "output"}, spent.output)
    meter.add(names.CREDIT, spent.labels, spent.credit)
    whole = spent.input + spent.output
    meter.add(names.FAILED_SPEND, spent.labels, whole * spent.failed)
    whose = {"provider": spent.labels["provider"], "model": spent.labels["model"]}
    meter.observe(names.API_CALL_DURATION, whose, 2 * NANO, calls)
    meter.observe(names.TIME_TO_FIRST_TOKEN, whose, 2 * NANO, calls)
    meter.add(names.API_RETRIES, {**whose, "status": "timeout"}, 3 * calls)
    meter.add(names.API_CALLS, {**spent.labels, "status": "ok"}, calls)
    meter.add(names.API_CALLS, {**spent.labels, "status": "timeout"}, 0)
    meter.add(names.TOKENS, {**spent.labels, "type": "input"}, 350 * calls)
    meter.add(names.TOKENS, {**spent.labels, "type": "cache_read"}, 200 * calls)
    meter.add(names.TOKENS, {**spent.labels, "type": "cache_write"}, 50 * calls)
    meter.add(names.TOKENS, {**spent.labels, "type": "output"}, 400 * calls)
    request = {label: spent.labels[label] for label in ("endpoint", "provider")}
    meter.observe(names.REQUEST_COST, request, spent.input + spent.output, calls)


def lived(database: Path, end: int) -> Meter:
    """Write nine days up to ``end`` and return what the first ledger has counted by then."""
    ledgers, past, recorded = (Meter(), Meter()), Past(), history(end)
    for kind, price in (
        ("input", 2500),
        ("cache_read", 250),
        ("cache_write", 3125),
        ("output", 9000),
    ):
        of = {"provider": "openai", "model": "gpt-4o", "type": kind}
        ledgers[0].record(names.TOKEN_PRICE.name, of, price, NANO)
    for minutes in (*range(9 * 24 * 60, 26 * 60, -4), *range(26 * 60, -1, -1)):
        if labels := FIRST_SEEN.get(minutes):
            count(ledgers[labels is BATCH], Spent(minutes, labels), calls=0)
        for spent in SPENDING:
            if spent.minutes == minutes:
                count(ledgers[spent.ledger], spent, calls=int(not spent.credit))
        new = {"provider": "openai", "model": "gpt-6", "reason": "no_price"}
        ledgers[0].add(names.UNPRICED_EVENTS, new, 2 * (minutes == UNPRICED))
        at = end - minutes * MINUTE
        if not RESTART[1] < minutes < RESTART[0]:
            past.take(ledgers[0], at, BEFORE if minutes > MOVED else HERE, "one")
        if minutes > GONE:
            past.take(ledgers[1], at, OTHER, "two")
        past.record(at)
        for first, last, meter in recorded:
            if last <= minutes <= first:
                past.take(meter, at)
    past.write(database)
    return ledgers[0]


def history(end: int) -> list[tuple[int, int, Meter]]:
    """Return what rules recorded: from and to how many minutes before the end, and what."""
    old, lately = Meter(), Meter()
    week = {"budget": "all", "window": "week", "period": "last"}
    day = {"budget": "all", "window": "day", "period": "2000-01-01"}
    month = period("month", end * NANO, ZoneInfo("UTC")).key
    this = {"budget": "all", "window": "month", "period": month}
    old.record("budget:cost_spend:usd", week, 8, 1)
    old.record("budget_period:cost_spend:usd", day, 5, 1)
    lately.record("budget_period:cost_gross_spend:usd", this, 38, 1)
    lately.record("budget:cost_spend_usd:delta1h", {"budget": "all"}, 2, 1)
    return [(9 * 24 * 60, 6 * 24 * 60, old), (26 * 60, 10, lately)]


def present(meter: Meter) -> None:
    """Show the families that only the present matters of."""
    now_ns = time.time_ns()
    for window, spent in (
        ("day", 3_500_000_000),
        ("week", 12_500_000_000),
        ("month", 40_500_000_000),
    ):
        this = period(window, now_ns, ZoneInfo("UTC"))
        of = {"budget": "all", "window": window, "period": this.key}
        meter.set(names.BUDGET_SPEND, {**of, "ledger": "one"}, spent)
        meter.set(names.BUDGET_CREDIT, {**of, "ledger": "one"}, 500_000_000)
        meter.set(names.BUDGET_LIMIT, {"budget": "all", "window": window, "limit": "soft"}, LIMIT)
        meter.set(names.BUDGET_PERIOD_START, of, this.start_ns // NANO)
        meter.set(names.BUDGET_PERIOD_END, of, this.end_ns // NANO)
    api = {"resource": "api"}
    meter.set(names.CPU_USAGE, api, 2)
    meter.set(names.MEMORY_USAGE, api, 3 << 30)
    meter.set(names.CPU_PRICE, api, 31_000_000)
    meter.set(names.MEMORY_PRICE, api, 4_000_000)
    host = {"provider": "host", "model": "cpu", "component": "compute"}
    meter.add(names.SPEND, host, 0)
    meter.set(names.BUILD_INFO, {"version": "0.1.0", "python": "3.11"}, 1)
    meter.set(names.LEDGER_INFO, {"ledger": "one", "schema": "1"}, 1)
    meter.set(names.LEDGER_SIZE, {}, 1 << 20)
    meter.set(names.JOURNAL_LAG_SECONDS, {}, 0)
    meter.set(names.CATALOGUE_TIMESTAMP, {}, int(time.time()) - HOUR)


@dataclass
class Stack:
    """A Prometheus over the past, the meter of the first ledger, and where its sidecar answers."""

    prometheus: Prometheus
    end: int
    meter: Meter
    sidecar: Sidecar

    def values(self, one: Target, span: int, at: float, **choices: str) -> dict[str, float]:
        """Return the values of a figure, list or table by their one label; '' without one."""
        found = self.prometheus.query(one.promql(span, **choices), at)
        return {
            "".join(value for label, value in each["metric"].items() if label != "__name__"): float(
                each["value"][1]
            )
            for each in found
        }

    def bars(self, panel: str, span: int, step: int, **choices: str) -> float:
        """Return the sum of all bars of a panel from ``span`` before the end up to the end."""
        return sum(
            float(value)
            for one in TARGETS
            if (one.board, one.panel) == ("overview.json", panel)
            for each in self.prometheus.query_range(
                one.promql(span, step, **choices), self.end - span, self.end - step, step
            )
            for _, value in each["values"]
        )

    def spend(self, span: int, at: float, **choices: str) -> float:
        (spend,) = self.values(target("Spend"), span, at, **choices).values()
        return spend
