"""What people are told of a budget, from what a sidecar exposes to their mailbox."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from costmeter import names
from tests.alertmanager.inbox import Hooks, Mailbox
from tests.alertmanager.server import Alertmanager
from tests.rules.exposed import Exposed
from tests.rules.stack import Prometheus, installed, until

pytestmark = pytest.mark.parametrize(
    "program", installed("prometheus-alertmanager", "alertmanager")
)
GRAFANA = "https://grafana.example.com"
BUDGET = "search & co"  # what has to be written otherwise in an address
LINK = f"{GRAFANA}/d/costmeter-budgets?var-budget=search+%26+co"
RUNBOOK = "https://github.com/costmeter/costmeter/blob/main/docs/runbook.md"
HOUR = 3600


class Budget:
    """A sidecar's budget of 100 USD a day, whose day began ten hours ago with its ledger."""

    def __init__(self) -> None:
        """Expose it, with nothing spent."""
        self._now = int(time.time())
        of = (BUDGET, "day")
        levels = {"0.8": "warning", "1": "critical"}
        self.exposed = Exposed(
            {
                names.BUILD_INFO: {("0.1.0", "3.11"): 1},
                names.LEDGER_INFO: {("L1", "1"): 1},
                names.LEDGER_CREATED: {("L1",): self._now - 10 * HOUR},
                names.BUDGET_LIMIT: {(*of, "soft"): 100},
                names.BUDGET_THRESHOLD: {
                    (*of, share, level): float(share) for share, level in levels.items()
                },
                names.BUDGET_INFO: {(BUDGET, "search-leads", "warn", "UTC"): 1},
            }
        )
        self.day("2026-11-22", start=self._now - 10 * HOUR)
        self.spend(0)

    def day(self, key: str, start: int) -> None:
        """Let a day begin, and the one before it end."""
        self._period = (BUDGET, "day", key)
        month = (BUDGET, "month", "2026-11")
        bounds = self.exposed.values
        bounds.setdefault(names.BUDGET_PERIOD_START, {})[month] = self._now - 100 * HOUR
        bounds.setdefault(names.BUDGET_PERIOD_END, {})[month] = self._now + 100 * HOUR
        for each in bounds[names.BUDGET_PERIOD_END]:
            if each[1] == "day":
                bounds[names.BUDGET_PERIOD_END][each] = start
        bounds[names.BUDGET_PERIOD_START][self._period] = start
        bounds[names.BUDGET_PERIOD_END][self._period] = start + 24 * HOUR
        self._month = month

    def spend(self, usd: float) -> None:
        """Have spent so much of the day, and of the month."""
        spent = self.exposed.values.setdefault(names.BUDGET_SPEND, {})
        self.exposed.values[names.BUDGET_SPEND] = {
            **spent, (*self._period, "L1"): usd, (*self._month, "L1"): usd,
        }  # fmt: skip


@pytest.mark.parametrize("prometheus_program", installed("prometheus"))
def test_each_threshold_is_told_once_whatever_restarts_and_anew_the_next_day(
    program: str, prometheus_program: str, hooks: Hooks, mailbox: Mailbox, tmp_path: Path
) -> None:
    variables = {
        "COSTMETER_ALERT_EMAIL_TO": "finance@example.com",
        "COSTMETER_SMTP_SMARTHOST": mailbox.smarthost,
        "COSTMETER_SMTP_USERNAME": "costmeter",
        "COSTMETER_SMTP_PASSWORD": "s3cret",
        "COSTMETER_SMTP_REQUIRE_TLS": "false",
        "COSTMETER_SLACK_WEBHOOK_URL": hooks.url("/slack"),
        "COSTMETER_WEBHOOK_URL": hooks.url("/webhook"),
        "COSTMETER_GRAFANA_URL": GRAFANA,
    }
    server = Alertmanager(tmp_path / "alertmanager", variables)
    prometheus = Prometheus(tmp_path / "prometheus")
    prometheus.alert(server.port)
    budget = Budget()

    def told(messages: int) -> None:
        until(lambda: len(hooks.posted["/webhook"]) >= messages)
        until(lambda: min(len(hooks.posted["/slack"]), len(mailbox.messages)) >= messages)

    def firing() -> object:
        return prometheus.query('ALERTS{alertstate="firing",threshold="0.8"}')

    with budget.exposed.served() as port:
        prometheus.scrape(port)
        with server.run(program):
            with prometheus.run(prometheus_program):
                budget.spend(40)
                until(lambda: prometheus.query('budget:cost_exhaustion:seconds{window="day"}'))
                budget.spend(82)
                told(1)
            with prometheus.run(prometheus_program):  # once more, with what it knew
                until(firing)
                server.post({"alertname": "Between", "severity": "info", "kind": "health"})
                told(2)
        with server.run(program), prometheus.run(prometheus_program):  # and both
            until(firing)
            budget.spend(104)
            told(3)
            budget.day("2026-11-23", start=int(time.time()))
            budget.spend(85)
            told(4)

    assert hooks.summaries("/webhook") == [
        ("firing", [f"{BUDGET} has used 80% of its budget for the day 2026-11-22"]),
        ("firing", ["Between"]),
        ("firing", [f"{BUDGET} has used up its budget for the day 2026-11-22"]),
        ("firing", [f"{BUDGET} has used 80% of its budget for the day 2026-11-23"]),
    ]
    subjects = [message["Subject"] for message in mailbox.messages]
    assert subjects[0] == f"[WARNING] {BUDGET} has used 80% of its budget for the day 2026-11-22"
    assert len(subjects) == len(hooks.posted["/slack"]) == 4

    # How much, of what, since when, at this rate gone when, where to look, and what to do.
    moment = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+ \w{3} \d\d:\d\d UTC"
    spent = (
        r"82\.00 USD are spent of 100\.00 USD\. "
        rf"At the rate of the last day the rest lasts until {moment}\. The day ends on {moment}\."
    )
    instant = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    plain = mailbox.messages[0].get_body(("plain",))
    assert plain is not None
    lines = plain.get_content().strip().splitlines()
    assert lines[0] == f"WARNING: {BUDGET} has used 80% of its budget for the day 2026-11-22"
    assert re.fullmatch(spent, lines[1])
    assert re.fullmatch(f"Since:     {instant}", lines[2])
    assert lines[3:] == [
        "Owner:     search-leads",
        f"Dashboard: {LINK}",
        f"What to do: {RUNBOOK}#costbudgetthresholdreached",
    ]
    (attachment,) = hooks.posted["/slack"][0]["attachments"]
    assert attachment["title_link"] == LINK
    text, links = attachment["text"].strip().split("\n")
    assert re.fullmatch(spent, text)
    assert links.startswith(
        f"<{LINK}|Dashboard> · <{RUNBOOK}#costbudgetthresholdreached|What to do> · owner search-leads · since "
    )


def test_a_critical_burn_silences_the_lesser_of_its_budget_and_no_other(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    def burn(budget: str, name: str, severity: str) -> dict[str, str]:
        return {
            "alertname": name,
            "severity": severity,
            "kind": "burn",
            "budget": budget,
            "window": "month",
            "summary": f"{budget}: {severity}",
        }

    server = Alertmanager(tmp_path, {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    with server.run(program):
        server.post(
            burn("search", "CostBudgetBurnFast", "critical"),
            burn("search", "CostBudgetBurnSlow", "warning"),
            burn("search", "CostBudgetBurnWeek", "info"),
            burn("web", "CostBudgetBurnSlow", "warning"),
            burn("web", "CostBudgetBurnWeek", "info"),
        )
        until(lambda: len(hooks.posted["/"]) >= 2)
        server.post({"alertname": "Last", "severity": "info", "kind": "health"})
        until(lambda: len(hooks.posted["/"]) >= 3)
    assert sorted(hooks.summaries("/")) == [
        ("firing", ["Last"]),
        ("firing", ["search: critical"]),
        ("firing", ["web: warning"]),
    ]
