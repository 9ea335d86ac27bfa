"""A made-up company's month, for looking at the dashboards: ``python -m tests.dashboards.demo``.

Writes 31 days of the past into a database, starts a Prometheus over it and goes on living in real
time until interrupted. Everything but the time of day is the same on every run.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from costmeter import names
from costmeter.units import GIB, NANO
from dashboards.src.queries import RECORDED
from tests.dashboards.demo_budgets import Budgets
from tests.dashboards.exposed import TARGET, Meter, Past, Target
from tests.dashboards.server import Prometheus, prometheus

HOUR, DAY = 3600, 86_400
LEDGER = "0193a1f0-5a7e-7c1e-9d55-2f0c1f4c9a10"
NIGHTLY = "0193a1f0-77d3-7b02-8e6e-5d1b90a3c4f2"
"""The ledger of the sidecar beside the batch jobs."""
BESIDE = {**TARGET, "instance": "127.0.0.1:9465"}
COUNTED = tuple({name.removesuffix("_bucket") for name in RECORDED} | {names.REQUEST_COST.name})
"""Families of which dashboards read what rules record, and rules the last hour."""
RULES = sorted((Path(__file__).parents[2] / "prometheus/rules").glob("*.yml"))


@dataclass(frozen=True)
class Flow:
    """Calls of one kind: how many at the busiest minute, what each uses, and what that costs."""

    provider: str
    model: str
    endpoint: str
    feature: str
    team: str
    calls: float
    tokens: tuple[int, int, int, int]
    """Uncached input, cache reads, output without reasoning, reasoning: tokens per call."""
    usd_per_million: tuple[str, str, str]
    """Input, cache reads, output."""
    growth: float = 0.0
    """How much more on the last day than 31 days before, as a share."""
    started: int = 32
    """Days before the last on which it began."""
    ledger: str = LEDGER

    def labels(self) -> dict[str, str]:
        """Return what its spend is attributed to."""
        return {key: getattr(self, key) for key in names.DIMENSIONS}

    def costs(self) -> dict[str, int]:
        """Return nano-dollars per call by component."""
        fresh, cached, output, reasoning = self.tokens
        into, read, out = (int(float(price) * 1000) for price in self.usd_per_million)
        return {
            "input": fresh * into, "cache_read": cached * read,
            "output": output * out, "reasoning": reasoning * out,
        }  # fmt: skip


FLOWS = (
    Flow("openai", "gpt-4o", "/v1/chat", "assistant", "support", 9, (1900, 800, 420, 0),
         ("2.5", "1.25", "10")),
    Flow("openai", "gpt-4o-mini", "/v1/chat", "assistant", "support", 40, (1500, 600, 300, 0),
         ("0.15", "0.075", "0.6")),
    Flow("openai", "gpt-4o-mini", "/v1/classify", "routing", "platform", 70, (500, 0, 12, 0),
         ("0.15", "0.075", "0.6")),
    Flow("openai", "gpt-5", "/v1/agent", "agent", "research", 3, (5200, 3900, 700, 1400),
         ("1.25", "0.125", "10"), 1.5),
    Flow("openai", "text-embedding-3-small", "/v1/index", "search", "search", 160,
         (800, 0, 0, 0), ("0.02", "0.02", "0"), ledger=NIGHTLY),
    Flow("anthropic", "claude-sonnet-4", "/v1/agent", "agent", "research", 5,
         (3100, 5200, 620, 0), ("3", "0.3", "15"), 0.6),
    Flow("anthropic", "claude-sonnet-4", "/v1/summarise", "summarise", "search", 4,
         (6400, 0, 350, 0), ("3", "0.3", "15")),
    Flow("anthropic", "claude-haiku-3.5", "/v1/summarise", "summarise", "search", 18,
         (2800, 0, 240, 0), ("0.8", "0.08", "4"), -0.5),
    Flow("google", "gemini-2.5-flash", "/v1/extract", "extract", "platform", 26,
         (3600, 0, 410, 150), ("0.3", "0.075", "2.5")),
    Flow("google", "gemini-2.5-pro", "/v1/extract", "extract", "research", 2,
         (4800, 0, 520, 900), ("1.25", "0.31", "10"), 0, 5),
    Flow("deepseek", "deepseek-chat", "/v1/batch", "enrich", "", 12, (2200, 1500, 380, 0),
         ("0.27", "0.07", "1.1"), ledger=NIGHTLY),
    Flow("mistral", "mistral-large", "/v1/translate", "translate", "support", 4,
         (1400, 0, 1300, 0), ("2", "2", "6"), 0.2, 12),
)  # fmt: skip

LEADING = {flow.model: flow for flow in reversed(FLOWS)}
"""What is shown of each model where rules look at all that it did."""
CREDIT = next(flow for flow in FLOWS if flow.model == "gpt-4o")


def busy(at: int) -> float:
    """Return how busy the company is at an instant, from nearly 0 to 1."""
    moment = datetime.fromtimestamp(at, UTC)
    hour = moment.hour + moment.minute / 60
    day = 0.08 + 0.92 * max(0.0, math.sin((hour - 6.5) / 13 * math.pi)) ** 1.3 * (hour < 19.5)
    return day * (0.35 if moment.weekday() >= 5 else 1.0)


class Company:
    """Everything that it spent and used since it began."""

    def __init__(self, begin: int, end: int) -> None:
        self.meter, self.now, self._end = Meter(), begin, end
        self.meters = {LEDGER: self.meter, NIGHTLY: Meter()}
        self._budgets = Budgets(self.meter, LEDGER)
        for flow in FLOWS:
            self._show(flow)

    def live(self, until: int, minutes: int = 1) -> None:
        """Live on, so many minutes at a time, up to an instant."""
        while self.now + 60 * minutes <= until:
            self.now += 60 * minutes
            self._minutes(minutes)

    def _show(self, flow: Flow) -> None:
        """New series are shown as 0 first."""
        if self.now >= self._end - flow.started * DAY:
            self._count(flow, 0, 0, 0)

    def _minutes(self, minutes: int) -> None:
        noise = random.Random(self.now // 60)
        for flow in FLOWS:
            age = self.now - (self._end - flow.started * DAY)
            chance, luck = noise.random(), noise.random()
            if age < 0:
                continue
            more = 1 + flow.growth * (1 - (self._end - self.now) / (31 * DAY))
            spike = 4 if flow.feature == "summarise" and 0 <= self._hours_ago() - 3 < 0.5 else 1
            rate = minutes * flow.calls * busy(self.now) * more * (0.6 + 0.8 * chance) * spike
            calls = int(rate) + (luck < rate % 1)
            outage = flow.provider == "openai" and 26 < self._hours_ago() < 26.6
            failed = sum(noise.random() < (0.4 if outage else 0.008) for _ in range(calls))
            late = sum(noise.random() < 1 / 3 for _ in range(failed))  # charged all the same
            self._count(flow, calls - failed, failed, late)
        self._compute(minutes)
        for ledger, meter in self.meters.items():
            self._itself(meter, ledger, minutes)
        self._budgets.show(self.now)

    def _hours_ago(self) -> float:
        return (self._end - self.now) / 3600

    def _count(self, flow: Flow, calls: int, failed: int, late: int) -> None:
        labels, meter = flow.labels(), self.meters[flow.ledger]
        for component, nano in flow.costs().items():
            if nano:
                self._spend({**labels, "component": component}, nano * calls, meter)
        for kind, tokens in zip(
            ("input", "cache_read", "output", "reasoning"), flow.tokens, strict=True
        ):
            if tokens:
                meter.add(names.TOKENS, {**labels, "type": kind}, tokens * calls)
        self._called(flow, calls, failed, late)
        read = flow.costs()["input"] * late
        self._spend({**labels, "component": "input"}, read, meter)
        meter.add(names.FAILED_SPEND, labels, read)
        whose = {"provider": flow.provider, "model": flow.model}
        for kind, price in zip(
            ("input", "cache_read", "output"), flow.usd_per_million, strict=True
        ):
            of = {**whose, "type": kind}
            meter.record(names.TOKEN_PRICE.name, of, int(float(price) * 1000), NANO)
        slow = int(0.4 * NANO + flow.tokens[2] * NANO // 90)
        meter.observe(names.API_CALL_DURATION, whose, slow, calls)
        begun = NANO // 5 + sum(flow.tokens[:2]) * NANO // 20_000 if flow.tokens[2] else 0
        if begun:
            meter.observe(names.TIME_TO_FIRST_TOKEN, whose, begun, calls)
        if calls and flow is LEADING[flow.model]:
            jitter = 1000 + int(120 * math.sin(self.now / 3000 + len(flow.model)))
            for family, took in (
                (names.API_CALL_DURATION, slow),
                (names.TIME_TO_FIRST_TOKEN, begun),
            ):
                rule = f"provider_model:{family.name}"
                if took:
                    self.meter.record(f"{rule}:p50_rate5m", whose, took * jitter, 1000 * NANO)
                    self.meter.record(f"{rule}:p95_rate5m", whose, took * jitter, 600 * NANO)
        where = {"endpoint": flow.endpoint, "provider": flow.provider}
        meter.observe(names.REQUEST_COST, where, sum(flow.costs().values()), calls)

    def _called(self, flow: Flow, calls: int, failed: int, late: int) -> None:
        """Count calls and, of those that failed, what the SDK had tried again."""
        labels, meter = flow.labels(), self.meters[flow.ledger]
        whose = {"provider": flow.provider, "model": flow.model}
        for status, number, retries in (
            ("ok", calls, 0), ("rate_limited", failed - late, 2), ("timeout", late, 1),
        ):  # fmt: skip
            meter.add(names.API_CALLS, {**labels, "status": status}, number)
            if retries:
                meter.add(names.API_RETRIES, {**whose, "status": status}, retries * number)

    def _spend(self, labels: dict[str, str], nano: int, meter: Meter) -> None:
        meter.add(names.SPEND, labels, nano)
        self._budgets.spend(labels, nano)

    def _compute(self, minutes: int) -> None:
        for resource, cores, gib, limits, per_core, per_gib in (
            ("api", 2.6, 5.5, (4, 8), "0.031", "0.0042"),
            ("worker", 5.2, 14.0, (16, 32), "0.031", "0.0042"),
            ("indexer", 0.7, 1.6, None, "0.031", "0.0042"),
        ):
            load = 0.15 + 0.85 * busy(self.now)
            used = int(gib * (0.7 + 0.3 * load) * GIB)
            of = {"resource": resource}
            core_price, gib_price = int(float(per_core) * NANO), int(float(per_gib) * NANO)
            # CPU_USAGE has no scale: a gauge in whole cores would be too coarse here.
            self.meter.record(names.CPU_USAGE.name, of, int(cores * load * 1000), 1000)
            self.meter.set(names.MEMORY_USAGE, of, used)
            self.meter.set(names.CPU_PRICE, of, core_price)
            self.meter.set(names.MEMORY_PRICE, of, gib_price)
            self.meter.set(names.RESOURCE_UP, of, 1)
            host = {"provider": "host", "component": "compute", "team": "platform"}
            cpu = int(cores * load * core_price * minutes / 60)
            memory = used * gib_price * minutes // GIB // 60
            self._spend({**host, "model": "cpu"}, cpu, self.meter)
            self._spend({**host, "model": "memory"}, memory, self.meter)
            hourly = int(cores * load * core_price) + used * gib_price // GIB
            self.meter.record("resource:cost_usd_per_hour:sum", of, hourly, NANO)
            if limits:
                self.meter.set(names.CPU_LIMIT, of, limits[0])
                self.meter.set(names.MEMORY_LIMIT, of, limits[1] * GIB)
                whole = limits[0] * core_price + limits[1] * gib_price
                self.meter.record("resource:cost_idle_usd_per_hour:sum", of, whole - hourly, NANO)

    def _itself(self, meter: Meter, ledger: str, minutes: int) -> None:
        noise = random.Random(f"{self.now} {ledger}")
        lag = noise.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
        main = ledger == LEDGER
        if main and 7 < self._hours_ago() < 7.1:  # the sidecar's disk was full
            lag = int((7.1 - self._hours_ago()) * 3600)
        meter.set(names.JOURNAL_LAG_SECONDS, {}, lag)
        meter.set(names.JOURNAL_LAG_BYTES, {}, lag * 60_000)
        meter.set(names.JOURNAL_WRITERS, {}, 4)
        meter.set(names.LEDGER_SIZE, {}, 40_000_000 + (self.now - self._end) // 2 + 2_000_000)
        meter.set(names.BUILD_INFO, {"version": "0.1.0", "python": "3.11.2"}, 1)
        meter.set(names.LEDGER_INFO, {"ledger": ledger, "schema": "1"}, 1)
        meter.set(names.CATALOGUE_INFO, {"version": "0.2.3", "origin": "refreshed"}, 1)
        meter.set(names.CATALOGUE_TIMESTAMP, {}, self.now - self.now % 1800)
        meter.add(names.CATALOGUE_REFRESHES, {"outcome": "success"}, self.now % 1800 < 60 * minutes)
        meter.add(
            names.CATALOGUE_REFRESHES, {"outcome": "failure"}, self.now % 36_000 < 60 * minutes
        )
        meter.set(names.CONFIG_RELOAD_SUCCESS, {}, 1)
        meter.set(names.CONFIG_RELOAD_TIMESTAMP, {}, self._end - 5 * DAY)
        meter.set(names.LEDGER_CREATED, {"ledger": ledger}, self._end - 31 * DAY)
        for collector, ms in (("journal", 4), ("ledger", 9), ("prices", 2), ("resources", 1)):
            of = {"collector": collector}
            meter.record(names.COLLECTOR_DURATION.name, of, ms * noise.randrange(600, 1500), 10**6)
            meter.set(names.COLLECTOR_SUCCESS, of, not (collector == "ledger" and lag > 5))
        meter.add(names.SCRAPES, {}, 4)
        meter.record(names.SCRAPE_DURATION.name, {}, noise.randrange(2_000, 3_500), 10**6)
        meter.add(names.EVENTS_READ, {"source": "journal"}, int(300 * minutes * busy(self.now)))
        meter.add(names.EVENTS_READ, {"source": "http"}, int(40 * minutes * busy(self.now)))
        meter.add(names.EVENTS_READ, {"source": "resources"}, 6 * minutes)
        meter.add(names.EVENTS_DROPPED, {}, 0)
        meter.add(names.EVENTS_REDATED, {}, 0)
        meter.add(names.INSTRUMENTATION_ERRORS, {}, 0)
        bad = int(main and 5 < self._hours_ago() < 5.2)
        for reason, more in (
            ("malformed", bad),
            ("invalid", 0),
            ("too_large", 0),
            ("rate_limited", 0),
        ):
            meter.add(names.EVENTS_REJECTED, {"reason": reason}, more)
        meter.add(
            names.LABEL_OVERFLOW, {"label": "feature"}, int(main and 3 < self._hours_ago() < 4)
        )
        new = {"provider": "openai", "model": "gpt-6-preview", "reason": "no_price"}
        if main and self._hours_ago() < 30:
            meter.add(names.UNPRICED_EVENTS, new, int(1 < self._hours_ago() < 2))
        counted = {"provider": "mistral", "model": "mistral-large"}
        meter.add(names.ESTIMATED_EVENTS, counted, int(main and 2 < self._hours_ago() < 5))
        if main and self._hours_ago() < 23:
            credit = NANO if self._hours_ago() == 22 else 0
            meter.add(names.CREDIT, CREDIT.labels(), credit)
            self._budgets.credit(CREDIT.labels(), credit)


def past(company: Company, end: int, database: Path) -> None:
    """Write a company's life up to ``end``: every 4 minutes at first, the last 2 days each minute.

    A query looks back 5 minutes, so nothing falls into a gap; what rules record of the ledgers is
    read from further back, and written less often.
    """
    written = Past()
    while company.now < end:
        early, lately = company.now < end - 2 * DAY, company.now > end - 2 * HOUR
        minutes = 4 if early else 1
        company.live(company.now + 60 * minutes, minutes)
        for scraped, (ledger, meter) in zip((TARGET, BESIDE), company.meters.items(), strict=True):
            without = () if lately else COUNTED
            written.take(meter, company.now, scraped, ledger, without=without)
        counters = lately or company.now % (HOUR if early else 300) < 60 * minutes
        written.record(company.now, counters=counters)
        if company.now % (4 * DAY) < 60:
            written.write(database)
    written.write(database)


@contextmanager
def living(folder: Path, port: int = 0) -> Iterator[Prometheus]:
    """Run a Prometheus over the company's past and present, with our rules."""
    end = int(time.time()) // 240 * 240
    company = Company(end - 31 * DAY, end)
    past(company, end, folder / "tsdb")
    past(company, int(time.time()), folder / "tsdb")  # what went by meanwhile
    guard = threading.Lock()

    def page(meter: Meter) -> str:
        with guard:
            company.live(int(time.time()))
            return "".join(
                line
                for line in meter.page().splitlines(keepends=True)
                if ":" not in line.partition("{")[0]
            )

    first, second = (Target(partial(page, meter)) for meter in company.meters.values())
    others = {BESIDE["instance"]: second.port}
    try:
        with prometheus(folder, first.port, rules=RULES, port=port, others=others) as server:
            yield server
    finally:
        first.close()
        second.close()


def main() -> None:
    """Run it until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9099, help="where Prometheus listens")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="costmeter-") as folder,
        living(Path(folder), port) as server,
    ):
        print(f"Prometheus over 31 days of a made-up company: {server.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
