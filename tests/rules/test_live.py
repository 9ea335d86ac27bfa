"""The rules in a real Prometheus, against a ledger known to the nano-dollar."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmeter import names
from tests.rules.exposed import Exposed, Values
from tests.rules.rulebook import RULES
from tests.rules.stack import Prometheus, fetch, installed, until

pytestmark = pytest.mark.parametrize("program", installed("prometheus"))

MONTH = (names.ALL_SPEND, "month", "2026-11")
RECORDED = (names.ALL_SPEND, "2026-11", "month")  # labels in order of their names
NOW_AND_LONG_AGO = 1_000_000_000
FAR_AHEAD = 4_000_000_000


def ledger(name: str, *, spent: float) -> Values:
    """Return what a sidecar with this ledger exposes, having spent so much in all."""
    gpt = ("openai", "gpt-4o", "/chat", "ask", "web")
    opus = ("anthropic", "opus", "/docs", "", "docs")
    return {
        names.BUILD_INFO: {("0.1.0", "3.11"): 1},
        names.LEDGER_INFO: {(name, "1"): 1},
        names.SPEND: {
            (*gpt, "input"): spent / 4,
            (*gpt, "output"): spent / 4,
            (*opus, "output"): spent / 2,
        },
        names.TOKENS: {(*gpt, "input"): 3000 * spent, (*gpt, "output"): 1000 * spent},
        names.API_CALLS: {(*gpt, "ok"): 8 * spent, (*gpt, "timeout"): 2 * spent},
        names.BUDGET_SPEND: {(*MONTH, name): spent},
        names.BUDGET_PERIOD_START: {MONTH: NOW_AND_LONG_AGO},
        names.BUDGET_PERIOD_END: {MONTH: FAR_AHEAD},
        names.CPU_USAGE: {("api",): 0.5},
        names.CPU_PRICE: {("api",): 0.03},
        names.MEMORY_USAGE: {("api",): 2 << 30},
        names.MEMORY_PRICE: {("api",): 0.004},
        names.SPIKE_MIN_EXCESS: {(): 1},
        names.EVENTS_DROPPED: {(): 0},
    }


def test_recorded_sums_are_those_of_the_ledgers_through_a_move_and_scaling_to_zero(
    program: str, tmp_path: Path
) -> None:
    prometheus = Prometheus(tmp_path)
    one, other = Exposed(ledger("L1", spent=0)), Exposed(ledger("L2", spent=0))
    with one.served() as first, other.served() as second, prometheus.run(program):
        prometheus.scrape(first, second)
        prometheus.shows("budget:cost_spend:usd", {RECORDED: 0})
        until(lambda: len(prometheus.query("cost_ledger_info")) == 2)

        one.values = ledger("L1", spent=12.000000004)
        other.values = ledger("L2", spent=8)

        prometheus.shows("all:cost_spend_usd:sum", {(): 20.000000004})
        prometheus.shows("budget:cost_spend:usd", {RECORDED: 20.000000004})
        half, quarter = 10.000000002, 5.000000001
        prometheus.shows("team:cost_spend_usd:sum", {("web",): half, ("docs",): half})
        prometheus.shows("feature:cost_spend_usd:sum", {("ask",): half, (): half})
        prometheus.shows(
            "component:cost_spend_usd:sum", {("input",): quarter, ("output",): 3 * quarter}
        )

        # Rates of this short a time are guesses, their shares are nearly exact.
        share = "provider_model:cost_provider_api_call_errors:ratio_rate5m"
        prometheus.shows(share, {("gpt-4o", "openai"): pytest.approx(0.2, rel=0.1)})
        cost = "provider_model:cost_spend_usd_per_1k_tokens:ratio_rate1h{provider='openai'}"
        # Half of each dollar is OpenAI's, and so are 4,000 tokens.
        prometheus.shows(cost, {("gpt-4o", "openai"): pytest.approx(0.125, rel=0.1)})
        prometheus.shows("resource:cost_usd_per_hour:sum", {("api",): pytest.approx(0.046)})

        # L2 moves to another address, where it spends on; for a while both are scraped.
        moved = Exposed(ledger("L2", spent=9))
        with moved.served() as third:
            prometheus.scrape(first, second, third)
            until(lambda: len(prometheus.query("cost_ledger_info")) == 3)
            prometheus.shows("budget:cost_spend:usd", {RECORDED: 21.000000004})
            prometheus.shows("all:cost_spend_usd:sum", {(): 21.000000004})

        # All scaled to zero: the month keeps its spend.
        prometheus.scrape()
        prometheus.shows("all:cost_spend_usd:sum", {})
        prometheus.shows("budget:cost_spend:usd", {RECORDED: 21.000000004})
        assert until(lambda: prometheus.query("budget:cost_period_remaining:seconds"))


def test_every_rule_is_evaluated_without_a_fault_and_an_alert_is_told(
    program: str, tmp_path: Path
) -> None:
    prometheus = Prometheus(tmp_path)
    exposed = Exposed(ledger("L1", spent=0))
    with exposed.served() as port, prometheus.run(program):
        prometheus.scrape(port)
        until(lambda: prometheus.query("cost_events_dropped_total"))
        exposed.values[names.EVENTS_DROPPED] = {(): 40}

        def firing() -> list[dict[str, object]]:
            alerts = fetch(f"{prometheus.url}/api/v1/alerts")["data"]["alerts"]
            return [alert for alert in alerts if alert["state"] == "firing"]

        (alert,) = until(firing)
        assert alert["labels"] == {
            "alertname": "CostEventsDropped",
            "severity": "critical",
            "kind": "health",
            "owner": "platform",
            "job": "costmeter",
            "instance": f"127.0.0.1:{port}",
        }
        assert alert["annotations"]["summary"] == f"Spend is being lost at 127.0.0.1:{port}"

        def evaluated() -> list[dict[str, str]]:
            groups = fetch(f"{prometheus.url}/api/v1/rules")["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if all(rule["health"] != "unknown" for rule in rules) else []

        rules = until(evaluated)
        assert len(rules) == len(RULES)
        assert [rule for rule in rules if rule["health"] != "ok"] == []
