"""The exporter as the web server sees it: the pipeline, and what it says about itself."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from costmeter import names
from costmeter.budgets.budget import severity
from costmeter.budgets.period import Period, Window, period
from costmeter.budgets.status import reached
from costmeter.journal.reader import Lag
from costmeter.ledger import query
from costmeter.names import Family
from costmeter.sidecar.changes import Changes
from costmeter.sidecar.exposition import Exposition, Gauges
from costmeter.sidecar.gate.gate import Gate
from costmeter.sidecar.handover import Identified, Receipt, State
from costmeter.sidecar.page import MAX_ALERTS
from costmeter.sidecar.pipeline import Pipeline
from costmeter.sidecar.rights import AccessConfig
from costmeter.sidecar.view import BudgetPeriod, Catalogue, ModelSpend, Status, Unpriced
from costmeter.units import NANO, usd_to_nano
from costmeter.usage import UsageEvent

VERSION: Final = version("costmeter")
_DAY_NS: Final = 86_400 * NANO
_PRICE_SECONDS: Final = 60.0
"""How long the prices of the models seen are kept before they are looked up again."""

Samples = list[tuple[tuple[str, ...], float]]


class Exporter:
    """Implements :class:`costmeter.sidecar.view.PipelineView` for a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Speak for a pipeline."""
        self._pipeline = pipeline
        self.changes = Changes(pipeline)
        self._scrapes = 0
        self._scrape_seconds = 0.0
        self._prices: Samples = []
        self._prices_until = 0.0

    @property
    def access(self) -> AccessConfig:
        """Who may do what."""
        return self._pipeline.config.access

    @property
    def exposition(self) -> Exposition:
        """The ledger's series as text."""
        return self._pipeline.exposition

    @property
    def gate(self) -> Gate:
        """What applications ask before they spend."""
        return self._pipeline.gate

    @property
    def state(self) -> State:
        """Whether the exporter is starting, ready or draining."""
        return self._pipeline.state

    def submit(self, source: str, sequence: int, events: list[UsageEvent]) -> Future[Receipt]:
        """Queue a batch of events for the ledger."""
        return self._pipeline.submit(source, sequence, events)

    def submit_identified(self, events: Sequence[Identified]) -> Future[Receipt]:
        """Queue events that are known by names of their own for the ledger."""
        return self._pipeline.submit_identified(events)

    def reload(self) -> list[str]:
        """Read the configuration again; return what is wrong with it."""
        return self._pipeline.reload()

    def rejected(self, reason: str, events: int) -> None:
        """Count events that the server refused."""
        self._pipeline.rejected(reason, events)

    def scraped(self, began_ns: int) -> None:
        """Take note that a scraper got all of ``/metrics``, drawn from a monotonic instant on."""
        self._scrapes += 1
        self._scrape_seconds = (time.monotonic_ns() - began_ns) / NANO
        self._pipeline.scraped(began_ns)

    def gauges(self) -> Iterable[Gauges]:
        """Return all that is known at scrape time rather than kept in the ledger."""
        return [
            *self._budget_gauges(),
            *self._resource_gauges(),
            *self._price_gauges(),
            *self._self_gauges(),
        ]

    def status(self) -> Status:
        """Return the status for the landing page."""
        pipeline = self._pipeline
        now_ns = time.time_ns()
        day, month = (self._period(window, now_ns) for window in ("day", "month"))
        today = {row.key: row.cost_nano_usd for row in self._by_model(day)}
        this_month = self._by_model(month)
        count = pipeline.publisher.counts
        lag = self._lag()
        oldest = lag.oldest_ns
        return Status(
            now_ns=now_ns,
            state=self.state,
            version=VERSION,
            ledger=pipeline.ledger.id,
            timezone=str(pipeline.config.timezone),
            day=day.key,
            month=month.key,
            today_nano_usd=sum(today.values()),
            month_nano_usd=sum(row.cost_nano_usd for row in this_month),
            models=tuple(
                ModelSpend(row.key[0], row.key[1], today.get(row.key, 0), row.cost_nano_usd)
                for row in this_month
            ),
            budgets=tuple(self._limited(now_ns)),
            unpriced=tuple(
                Unpriced(provider, model, events)
                for (provider, model), events in query.unpriced(pipeline.config.ledger).items()
            ),
            catalogue=Catalogue(
                pipeline.prices.version, pipeline.prices.origin, pipeline.prices.confirmed_ns
            ),
            lag_seconds=None if oldest is None else max(0.0, (now_ns - oldest) / NANO),
            lag_bytes=lag.bytes,
            writers=lag.writers,
            ledger_bytes=pipeline.ledger.size_bytes(),
            events=sum(count(names.EVENTS_READ).values()),
            dropped=sum(count(names.EVENTS_DROPPED).values()),
            rejected={reason: n for reason, n in count(names.EVENTS_REJECTED).items() if n},
            problems=(
                *(each.problem for each in pipeline.collectors.values() if each.problem),
                *pipeline.book.problems,
            ),
            alerts=tuple(self.changes.recent_alerts(now_ns - _DAY_NS, MAX_ALERTS)),
            emergencies=tuple(
                each.name
                for each in pipeline.budgets.budgets
                if pipeline.emergencies.active(each.name)
            ),
        )

    # -- families ------------------------------------------------------------------------------

    def _budget_gauges(self) -> Iterator[Gauges]:
        """Yield how the budgets stand, all as of the same commit."""
        spend: Samples = []
        credit: Samples = []
        starts: Samples = []
        ends: Samples = []
        limits: Samples = []
        rollovers: Samples = []
        thresholds: Samples = []
        infos: Samples = []
        ledger = self._pipeline.ledger.id
        standings = self._pipeline.budgets.standings(time.time_ns())
        for budget, periods, in_force in standings:
            for each in periods:
                key = (budget.name, each.period.window, each.period.key)
                spend.append(((*key, ledger), each.spend))
                credit.append(((*key, ledger), each.credit))
                starts.append((key, each.period.start_ns // NANO))
                ends.append((key, each.period.end_ns // NANO))
            for window, limit in in_force.items():
                limits.append(((budget.name, window, "soft"), limit.soft))
                if limit.hard is not None:
                    limits.append(((budget.name, window, "hard"), limit.hard))
                if limit.rollover_max:
                    inherited = limit.soft - budget.limits[window].soft
                    rollovers.append(((budget.name, window), inherited))
                thresholds.extend(
                    ((budget.name, window, str(share), severity(share)), share)
                    for share in budget.thresholds
                )
            infos.append(((budget.name, budget.owner, budget.policy, str(budget.zone)), 1))
        yield Gauges(names.BUDGET_SPEND, spend)
        yield Gauges(names.BUDGET_CREDIT, credit)
        yield Gauges(names.BUDGET_PERIOD_START, starts)
        yield Gauges(names.BUDGET_PERIOD_END, ends)
        yield Gauges(names.BUDGET_LIMIT, limits)
        yield Gauges(names.BUDGET_ROLLOVER, rollovers)
        yield Gauges(names.BUDGET_THRESHOLD, thresholds)
        yield Gauges(names.BUDGET_INFO, infos)
        gate = self._pipeline.gate
        emergencies = gate.emergencies(standings)
        yield Gauges(names.BUDGET_EMERGENCY, [((name,), on) for name, on in emergencies.items()])
        yield Gauges(names.GATE_CHECKS, list(gate.checks().items()))
        yield Gauges(names.GATE_RESERVED, [((name,), n) for name, n in gate.reserved().items()])
        elsewhere = self._pipeline.gatehouse.elsewhere
        age = elsewhere.age_seconds()
        yield Gauges(names.GATE_ELSEWHERE_AGE, [] if age is None else [((), age)])
        unseen = elsewhere.unseen().items()
        yield Gauges(names.GATE_ELSEWHERE_UNSEEN, [((name,), nano) for name, nano in unseen])

    def _resource_gauges(self) -> Iterator[Gauges]:
        readings = self._pipeline.readings
        resources = self._pipeline.config.resources
        cores = [((r.resource,), r.cores) for r in readings if r.cores is not None]
        yield Gauges(names.CPU_USAGE, cores)
        yield Gauges(names.MEMORY_USAGE, [((r.resource,), r.memory_bytes) for r in readings])
        yield Gauges(
            names.CPU_LIMIT,
            [((r.resource,), r.limits.cores) for r in readings if r.limits.cores is not None],
        )
        yield Gauges(
            names.MEMORY_LIMIT,
            [
                ((r.resource,), r.limits.memory_bytes)
                for r in readings
                if r.limits.memory_bytes is not None
            ],
        )
        yield Gauges(names.RESOURCE_UP, [((r.resource,), r.up) for r in readings])
        yield Gauges(
            names.CPU_PRICE, [((r.name,), usd_to_nano(r.usd_per_core_hour)) for r in resources]
        )
        yield Gauges(
            names.MEMORY_PRICE, [((r.name,), usd_to_nano(r.usd_per_gib_hour)) for r in resources]
        )

    def _price_gauges(self) -> Iterator[Gauges]:
        if time.monotonic() >= self._prices_until:
            self._prices = list(self._price_samples())
            self._prices_until = time.monotonic() + _PRICE_SECONDS
        yield Gauges(names.TOKEN_PRICE, self._prices)
        excess = usd_to_nano(self._pipeline.config.alerts.spike_min_excess_usd)
        yield _single(names.SPIKE_MIN_EXCESS, excess)

    def _price_samples(self) -> Iterator[tuple[tuple[str, ...], float]]:
        now_ns = time.time_ns()
        for provider, model in sorted(self._pipeline.publisher.models.copy()):
            prices = self._pipeline.prices.prices_of(provider, model, now_ns) or {}
            for kind, usd_per_million in prices.items():
                yield (provider, model, kind), float(usd_per_million.scaleb(-6))

    def _self_gauges(self) -> Iterator[Gauges]:
        pipeline, prices = self._pipeline, self._pipeline.prices
        lag = self._lag()
        oldest = lag.oldest_ns
        age = 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest) / NANO)
        collectors = pipeline.collectors.items()
        yield Gauges(names.BUILD_INFO, [((VERSION, platform.python_version()), 1)])
        yield Gauges(names.LEDGER_INFO, [((pipeline.ledger.id, str(pipeline.ledger.schema)), 1)])
        yield Gauges(
            names.LEDGER_CREATED, [((pipeline.ledger.id,), pipeline.ledger.created_ns / NANO)]
        )
        yield _single(names.LEDGER_SIZE, pipeline.ledger.size_bytes())
        yield _single(names.JOURNAL_LAG_SECONDS, age)
        yield _single(names.JOURNAL_LAG_BYTES, lag.bytes)
        yield _single(names.JOURNAL_WRITERS, lag.writers)
        yield Gauges(names.CATALOGUE_INFO, [((prices.version, prices.origin), 1)])
        yield _single(names.CATALOGUE_TIMESTAMP, prices.confirmed_ns / NANO)
        yield _counted(names.CATALOGUE_REFRESHES, pipeline.refreshing.outcomes)
        seconds: Samples = [((name,), each.seconds) for name, each in collectors]
        success: Samples = [((name,), each.success) for name, each in collectors]
        yield Gauges(names.COLLECTOR_DURATION, seconds)
        yield Gauges(names.COLLECTOR_SUCCESS, success)
        yield _single(names.SCRAPES, self._scrapes)
        yield _single(names.SCRAPE_DURATION, self._scrape_seconds)
        yield _single(names.CONFIG_RELOAD_SUCCESS, pipeline.reloading.succeeded)
        yield _single(names.CONFIG_RELOAD_TIMESTAMP, pipeline.reloading.last_ns / NANO)
        yield Gauges(names.ALERTS_RECEIVED, list(pipeline.alerts.counts.items()))

    # -- small ---------------------------------------------------------------------------------

    def _limited(self, now_ns: int) -> Iterator[BudgetPeriod]:
        for budget, periods, limits in self._pipeline.budgets.standings(now_ns):
            open_now = {each.period.window: each for each in periods}  # after those before them
            for window, limit in limits.items():
                period, spend, credit = open_now[window]
                spent = spend - credit
                yield BudgetPeriod(
                    budget.name,
                    budget.owner,
                    period.key,
                    spent,
                    limit.soft,
                    limit.hard,
                    reached(spent, limit, budget.thresholds),
                )

    def _lag(self) -> Lag:
        lags = [reader.lag() for reader in self._pipeline.readers]
        oldest = [lag.oldest_ns for lag in lags if lag.oldest_ns is not None]
        return Lag(
            bytes=sum(lag.bytes for lag in lags),
            oldest_ns=min(oldest, default=None),
            writers=sum(lag.writers for lag in lags),
        )

    def _period(self, window: Window, now_ns: int) -> Period:
        return period(window, now_ns, self._pipeline.config.timezone)

    def _by_model(self, each: Period) -> list[query.SpendRow]:
        return query.spend(
            self._pipeline.config.ledger,
            by=("provider", "model"),
            start=datetime.fromtimestamp(each.start_ns / NANO, UTC),
            end=datetime.fromtimestamp(each.end_ns / NANO, UTC),
            timezone=str(self._pipeline.config.timezone),
            where={},
        )


def _single(family: Family, value: float) -> Gauges:
    return Gauges(family, [((), value)])


def _counted(family: Family, counts: Mapping[str, int]) -> Gauges:
    return Gauges(family, [((name,), count) for name, count in sorted(counts.items())])
