"""Budgets from the configuration through the pipeline to /metrics, filled from a real ledger."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from costmeter.budgets.period import period, previous
from costmeter.budgets.status import State
from costmeter.journal.writer import JournalWriter
from costmeter.sidecar.config import Config, load
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.pipeline import Pipeline
from costmeter.sidecar.view import BudgetPeriod
from costmeter.units import NANO
from costmeter.usage import UsageEvent

SEARCH = {"name": "search", "match": {"team": "search"}, "day": {"soft_usd": 5, "hard_usd": 7.5}}
GPT = {
    "name": "gpt",
    "match": {"model": "gpt-*"},
    "owner": "platform",
    "policy": "soft",
    "thresholds": [0.8, 1],
    "month": {"soft_usd": 100},
}


UTC_ZONE = ZoneInfo("UTC")

_BY_PERIOD = {
    "spend_usd",
    "credit_usd",
    "period_start_timestamp_seconds",
    "period_end_timestamp_seconds",
}
_CALM = {("emergency", name): 0 for name in ("all", "search", "gpt")}


class Stack:
    """One pipeline after another over the same journal and ledger, and their configuration."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.writer = JournalWriter(self.journal)
        self.budgets: list[dict[str, Any]] = []
        self.labels: dict[str, Any] = {}
        self.pipelines: list[Pipeline] = []

    def config(self) -> Config:
        return load(
            None,
            journal=self.journal,
            ledger=self.directory / "ledger.db",
            prices={"refresh": "off"},
            labels=self.labels,
            budgets=self.budgets,
        )

    def start(self) -> Exporter:
        pipeline = Pipeline(self.config(), self.config)
        self.pipelines.append(pipeline)
        pipeline.start()
        return Exporter(pipeline)

    def spend(self, usd: str, time_ns: int | None = None, **fields: Any) -> None:
        event = {
            "time_ns": time.time_ns() if time_ns is None else time_ns,
            "operation": "chat",
            "provider": "openai",
            "model": "gpt-4o",
            "attributes": {},
            "usage": {},
            "cost_nano_usd": int(float(usd) * NANO),
        }
        assert self.writer.write(msgspec.json.encode(UsageEvent(**event | fields)))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "journal").mkdir()
    stack = Stack(tmp_path)
    yield stack
    stack.writer.close()
    for pipeline in stack.pipelines:
        pipeline.stop()


def budgets(exporter: Exporter) -> dict[tuple[str, ...], float]:
    """Return the samples of budgets by the end of their name and their labels but the ledger."""
    body = b"".join(exporter.exposition.draw(False, exporter.gauges())).decode()
    return {
        (
            sample.name.removeprefix("cost_budget_"),
            *(value for name, value in sample.labels.items() if name != "ledger"),
        ): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.name.startswith("cost_budget_")
    }


def until_spent(exporter: Exporter, budget: str, window: str, key: str, usd: float) -> None:
    deadline = time.monotonic() + 20
    while (found := budgets(exporter).get(("spend_usd", budget, window, key))) != usd:
        assert time.monotonic() < deadline, f"{budget} has spent {found}, not {usd}"
        time.sleep(0.01)


@pytest.fixture
def today() -> str:
    """Today's date; just before midnight that of the day to come, once it has."""
    left = 86_400 - time.time() % 86_400
    if left < 60:
        time.sleep(left)
    return datetime.now(UTC).date().isoformat()


def test_each_budget_counts_what_it_matches(stack: Stack, today: str) -> None:
    stack.budgets = [SEARCH, GPT]
    exporter = stack.start()
    stack.spend("1", attributes={"team": "search"})
    stack.spend("0.25", attributes={"team": "search"}, model="claude-sonnet-4-5")
    stack.spend("0.0625", attributes={"team": "chat"})
    stack.spend("-0.5", attributes={"team": "search"})
    stack.spend("8", model="claude-sonnet-4-5")
    month = today[:7]
    until_spent(exporter, "all", "day", today, 9.3125)

    found = budgets(exporter)
    assert found["spend_usd", "search", "day", today] == 1.25
    assert found["credit_usd", "search", "day", today] == 0.5
    assert found["spend_usd", "gpt", "month", month] == 1.0625
    assert found["credit_usd", "gpt", "month", month] == 0.5
    assert found["spend_usd", "all", "month", month] == 9.3125
    assert found["spend_usd", "search", "month", month] == 1.25
    assert {key: value for key, value in found.items() if key[0] not in _BY_PERIOD} == _CALM | {
        ("limit_usd", "search", "day", "soft"): 5,
        ("limit_usd", "search", "day", "hard"): 7.5,
        ("limit_usd", "gpt", "month", "soft"): 100,
        ("threshold_ratio", "search", "day", "0.5", "info"): 0.5,
        ("threshold_ratio", "search", "day", "0.8", "warning"): 0.8,
        ("threshold_ratio", "search", "day", "0.9", "warning"): 0.9,
        ("threshold_ratio", "search", "day", "1.0", "critical"): 1,
        ("threshold_ratio", "gpt", "month", "0.8", "warning"): 0.8,
        ("threshold_ratio", "gpt", "month", "1.0", "critical"): 1,
        ("info", "all", "warn", "UTC"): 1,
        ("info", "search", "warn", "UTC"): 1,
        ("info", "gpt", "platform", "soft", "UTC"): 1,
    }


def test_the_page_has_each_limited_period_with_what_has_been_reached(
    stack: Stack, today: str
) -> None:
    stack.budgets = [SEARCH, {**GPT, "day": {"soft_usd": 8}}]
    exporter = stack.start()
    stack.spend("8", attributes={"team": "search"})
    stack.spend("-0.5", attributes={"team": "search"})
    until_spent(exporter, "all", "day", today, 8)

    def usd(amount: float) -> int:
        return int(amount * NANO)

    assert set(exporter.status().budgets) == {
        BudgetPeriod("search", "", today, usd(7.5), usd(5), usd(7.5), State.HARD_LIMIT),
        BudgetPeriod("gpt", "platform", today, usd(7.5), usd(8), None, State.THRESHOLD),
        BudgetPeriod("gpt", "platform", today[:7], usd(7.5), usd(100), None, State.WITHIN),
    }


def test_a_budget_has_the_bounds_of_its_own_zone(stack: Stack) -> None:
    stack.budgets = [{**SEARCH, "timezone": "Asia/Kathmandu"}]
    found = budgets(stack.start())
    (start,) = {
        value % 86_400
        for key, value in found.items()
        if key[:3] == ("period_start_timestamp_seconds", "search", "day")
    }
    assert start == (24 * 60 - 345) * 60  # 5 hours and 45 minutes before midnight UTC


def test_a_budget_added_in_mid_month_is_filled_from_the_ledger(stack: Stack, today: str) -> None:
    exporter = stack.start()
    stack.spend("1", attributes={"team": "search"})
    stack.spend("2", attributes={"team": "chat"})
    until_spent(exporter, "all", "day", today, 3)

    stack.budgets = [SEARCH]
    assert exporter.reload() == []
    assert budgets(exporter)["spend_usd", "search", "day", today] == 1
    stack.spend("4", attributes={"team": "search"})
    until_spent(exporter, "search", "day", today, 5)
    assert budgets(exporter)["spend_usd", "all", "day", today] == 7


def test_a_changed_or_removed_budget_costs_the_others_no_cent(stack: Stack, today: str) -> None:
    stack.budgets = [SEARCH, GPT]
    exporter = stack.start()
    stack.spend("1", attributes={"team": "search"})
    stack.spend("2", attributes={"team": "chat"})
    until_spent(exporter, "all", "day", today, 3)

    stack.budgets = [{**SEARCH, "match": {"team": "[cs]*"}, "day": {"soft_usd": 9}}]
    assert exporter.reload() == []
    stack.spend("4", attributes={"team": "chat"}, model="claude-sonnet-4-5")
    until_spent(exporter, "search", "day", today, 7)
    found = budgets(exporter)
    assert found["spend_usd", "all", "day", today] == 7
    assert found["limit_usd", "search", "day", "soft"] == 9
    assert not any("gpt" in key for key in found)


def test_a_budget_that_is_wrong_leaves_the_old_ones_in_force(stack: Stack) -> None:
    stack.budgets = [SEARCH]
    exporter = stack.start()
    stack.budgets = [{**SEARCH, "match": {"teem": "search"}}]
    assert exporter.reload() == [
        "budgets[0].match.teem: no such label, there are provider, model, endpoint, feature, team"
    ]
    assert budgets(exporter)["limit_usd", "search", "day", "soft"] == 5


def test_a_restart_and_late_events_keep_each_period_exact(stack: Stack, today: str) -> None:
    stack.budgets = [SEARCH]
    exporter = stack.start()
    yesterday = previous(period("day", time.time_ns(), UTC_ZONE), UTC_ZONE)
    stack.spend("1", yesterday.start_ns, attributes={"team": "search"})
    until_spent(exporter, "search", "day", yesterday.key, 1)
    stack.pipelines[-1].stop()

    stack.spend("2", yesterday.end_ns - 1, attributes={"team": "search"})
    stack.spend("4", yesterday.end_ns, attributes={"team": "search"})
    exporter = stack.start()
    until_spent(exporter, "search", "day", today, 4)
    assert budgets(exporter)["spend_usd", "search", "day", yesterday.key] == 3


def test_what_yesterday_left_raises_todays_limits(stack: Stack, today: str) -> None:
    day = {"soft_usd": 5, "hard_usd": 7.5, "rollover_max_usd": 3}
    stack.budgets = [{**SEARCH, "day": day}]
    exporter = stack.start()
    yesterday = previous(period("day", time.time_ns(), UTC_ZONE), UTC_ZONE)
    stack.spend("3.5", yesterday.start_ns, attributes={"team": "search"})
    until_spent(exporter, "search", "day", yesterday.key, 3.5)
    found = budgets(exporter)
    assert found["limit_usd", "search", "day", "soft"] == 6.5
    assert found["limit_usd", "search", "day", "hard"] == 9
    assert found["rollover_usd", "search", "day"] == 1.5
    # 5.50 USD are over the soft limit: the day before leaves nothing.
    stack.spend("2", yesterday.start_ns, attributes={"team": "search"})
    until_spent(exporter, "search", "day", yesterday.key, 5.5)
    found = budgets(exporter)
    assert found["limit_usd", "search", "day", "soft"] == 5
    assert found["rollover_usd", "search", "day"] == 0


def test_a_value_that_a_budget_names_keeps_its_place_within_the_cap(
    stack: Stack, today: str
) -> None:
    stack.labels = {"team": {"max_values": 1}}
    stack.budgets = [SEARCH]
    exporter = stack.start()
    stack.spend("1", attributes={"team": "chat"})
    stack.spend("2", attributes={"team": "search"})
    until_spent(exporter, "all", "day", today, 3)
    assert budgets(exporter)["spend_usd", "search", "day", today] == 2
