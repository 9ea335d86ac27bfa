"""A real Alertmanager delivers to a mail server, to webhooks and to what looks like Slack."""

from __future__ import annotations

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

SPIKE = {
    "alertname": "CostSpendSpike",
    "severity": "warning",
    "kind": "anomaly",
    "budget": "all",
    "summary": "Spend has jumped: 41.00 USD in the last hour",
    "description": "The last hour cost 41.00 USD; 20.00 USD would be usual.",
}
DROPPED = {
    "alertname": "CostEventsDropped",
    "severity": "critical",
    "kind": "health",
    "owner": "platform",
    "job": "costmeter",
    "instance": "a",
    "summary": "Spend is being lost at a",
}
SENTINEL = {"alertname": "Sentinel", "severity": "warning", "kind": "health", "summary": "last"}
"""What is posted last: when it has arrived, what came before would have, too."""


def threshold(severity: str, percent: int, **labels: str) -> dict[str, str]:
    """Return a threshold alert, of the kind that the rules make of budgets."""
    return {
        "alertname": "CostBudgetThresholdReached",
        "severity": severity,
        "kind": "threshold",
        "budget": "search",
        "window": "month",
        "period": "2026-11",
        "threshold": f"{percent / 100}",
        "summary": f"{percent} % of search",
        **labels,
    }


def test_an_alert_and_its_end_arrive_by_mail_slack_and_webhook(
    program: str, hooks: Hooks, mailbox: Mailbox, tmp_path: Path
) -> None:
    variables = {
        "COSTMETER_ALERT_EMAIL_TO": "finance@example.com",
        "COSTMETER_SMTP_SMARTHOST": mailbox.smarthost,
        "COSTMETER_SMTP_FROM": "costmeter@example.com",
        "COSTMETER_SMTP_USERNAME": "costmeter",
        "COSTMETER_SMTP_PASSWORD": "s3cret",
        "COSTMETER_SMTP_REQUIRE_TLS": "false",
        "COSTMETER_SLACK_WEBHOOK_URL": hooks.url("/slack"),
        "COSTMETER_WEBHOOK_URL": hooks.url("/webhook"),
        "COSTMETER_GRAFANA_URL": "https://grafana.example.com",
    }
    server = Alertmanager(tmp_path, variables)
    since = "2024-05-04T14:05:00Z"
    with server.run(program):
        server.post(SPIKE, since=since)
        until(lambda: mailbox.messages and hooks.posted["/slack"] and hooks.posted["/webhook"])
        server.post(SPIKE, since=since, over=True)
        until(
            lambda: (
                len(mailbox.messages) == len(hooks.posted["/slack"]) == 2
                and len(hooks.posted["/webhook"]) == 2
            )
        )

    mail, over = mailbox.messages
    assert mail["From"] == "costmeter@example.com"
    assert mail["To"] == "finance@example.com"
    assert mail["Subject"] == "[WARNING] Spend has jumped: 41.00 USD in the last hour"
    assert over["Subject"] == "[RESOLVED] Spend has jumped: 41.00 USD in the last hour"
    plain = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip().splitlines() == [
        "WARNING: Spend has jumped: 41.00 USD in the last hour",
        "The last hour cost 41.00 USD; 20.00 USD would be usual.",
        "Since:     2024-05-04 14:05 UTC",
        "Dashboard: https://grafana.example.com/d/costmeter-overview",
        "What to do: https://github.com/costmeter/costmeter/blob/main/docs/runbook.md#costspendspike",
    ]
    page = html.get_content()
    assert "<h3" in page
    assert "Spend has jumped: 41.00 USD in the last hour" in page
    assert 'href="https://grafana.example.com/d/costmeter-overview"' in page
    assert "runbook.md#costspendspike" in page
    assert 'href="http://alerts.example.com"' in page

    told, ended = hooks.posted["/slack"]
    assert "channel" not in told
    (attachment,) = told["attachments"]
    assert attachment["title"] == "[WARNING] Spend has jumped: 41.00 USD in the last hour"
    assert attachment["title_link"] == "https://grafana.example.com/d/costmeter-overview"
    assert attachment["color"] == "warning"
    assert attachment["text"].strip().split("\n") == [
        "The last hour cost 41.00 USD; 20.00 USD would be usual.",
        "<https://grafana.example.com/d/costmeter-overview|Dashboard> · "
        "<https://github.com/costmeter/costmeter/blob/main/docs/runbook.md#costspendspike|What to do>"
        " · since 2024-05-04 14:05 UTC",
    ]
    assert ended["attachments"][0]["color"] == "good"

    firing, resolved = hooks.posted["/webhook"]
    assert firing["receiver"] == "default"
    assert firing["status"] == "firing"
    assert firing["alerts"][0]["labels"]["budget"] == "all"
    assert resolved["status"] == "resolved"


def test_critical_alerts_and_owners_have_addresses_of_their_own(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    variables = {
        "COSTMETER_WEBHOOK_URL": hooks.url("/default"),
        "COSTMETER_CRITICAL_WEBHOOK_URL": hooks.url("/critical"),
        "COSTMETER_OWNERS": f"{{search-leads: {{webhook: '{hooks.url('/search')}'}}}}",
    }
    server = Alertmanager(tmp_path, variables)
    with server.run(program):
        server.post(
            DROPPED,  # owner platform has no address: only the critical one
            SPIKE | {"summary": "of all"},
            SPIKE | {"budget": "search", "owner": "search-leads", "summary": "of search"},
            threshold("critical", 100, owner="search-leads"),
        )
        until(lambda: hooks.posted["/default"])
        until(lambda: min(len(hooks.posted["/critical"]), len(hooks.posted["/search"])) >= 2)
        server.post(SENTINEL)
        until(lambda: len(hooks.posted["/default"]) >= 2)
    assert hooks.summaries("/default") == [("firing", ["of all"]), ("firing", ["last"])]
    assert sorted(hooks.summaries("/critical")) == [
        ("firing", ["100 % of search"]),
        ("firing", ["Spend is being lost at a"]),
    ]
    assert sorted(hooks.summaries("/search")) == [
        ("firing", ["100 % of search"]),
        ("firing", ["of search"]),
    ]


def test_the_same_alert_of_many_is_told_in_one_message_that_names_ten(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    server = Alertmanager(tmp_path, {"COSTMETER_SLACK_WEBHOOK_URL": hooks.url("/slack")})
    lag = SENTINEL | {"alertname": "CostJournalLagHigh"}
    with server.run(program):
        server.post(
            *(lag | {"instance": f"{n:02}", "summary": f"lag of {n:02}"} for n in range(12))
        )
        until(lambda: hooks.posted["/slack"])
    (message,) = hooks.posted["/slack"]
    (attachment,) = message["attachments"]
    assert attachment["title"] == "[WARNING] lag of 00 (one of 12)"
    assert attachment["text"].count("lag of") == 10
    assert attachment["text"].endswith("<http://alerts.example.com|All 12 of them>")


def test_of_one_budget_s_period_the_worst_is_enough(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    server = Alertmanager(tmp_path, {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    with server.run(program):
        server.post(
            threshold("critical", 100),
            threshold("warning", 80),
            threshold("info", 50),
            threshold("warning", 81, window="day", period="2026-11-22"),
            threshold("info", 51, window="day", period="2026-11-22"),
            threshold("info", 52, budget="web"),
        )
        until(lambda: len(hooks.posted["/"]) >= 3)
        server.post(SENTINEL)
        until(lambda: ("firing", ["last"]) in hooks.summaries("/"))
    assert sorted(hooks.summaries("/")) == [
        ("firing", ["100 % of search"]),
        ("firing", ["52 % of search"]),
        ("firing", ["81 % of search"]),
        ("firing", ["last"]),
    ]


def test_a_sidecar_that_is_down_holds_back_what_else_is_said_of_it(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    down = DROPPED | {"alertname": "CostExporterDown", "summary": "a is down"}
    lag = DROPPED | {"alertname": "CostJournalLagHigh", "severity": "warning"}
    server = Alertmanager(tmp_path, {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    with server.run(program):
        server.post(
            down,
            lag | {"summary": "a lags"},
            lag | {"instance": "b", "summary": "b lags"},
            SPIKE | {"summary": "spike"},
        )
        until(lambda: len(hooks.posted["/"]) >= 3)
        server.post(SENTINEL)
        until(lambda: ("firing", ["last"]) in hooks.summaries("/"))
    assert sorted(hooks.summaries("/")) == [
        ("firing", ["a is down"]),
        ("firing", ["b lags"]),
        ("firing", ["last"]),
        ("firing", ["spike"]),
    ]


def test_what_jumps_in_many_budgets_is_one_message_without_those_whose_burning_says_it(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    burning = SPIKE | {"alertname": "CostBudgetBurnFast", "severity": "critical", "kind": "burn"}
    server = Alertmanager(tmp_path, {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    with server.run(program):
        server.post(
            burning | {"budget": "search", "window": "month", "summary": "search burns"},
            *(SPIKE | {"budget": name, "summary": name} for name in ("all", "search", "web")),
        )
        until(lambda: len(hooks.posted["/"]) >= 2)
        server.post(SENTINEL)
        until(lambda: ("firing", ["last"]) in hooks.summaries("/"))
    assert sorted(hooks.summaries("/")) == [
        ("firing", ["all", "web"]),
        ("firing", ["last"]),
        ("firing", ["search burns"]),
    ]


def test_a_threshold_is_told_once_a_period_also_across_a_restart(
    program: str, hooks: Hooks, tmp_path: Path
) -> None:
    server = Alertmanager(tmp_path, {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    november, december = threshold("warning", 80), threshold("warning", 80, period="2026-12")
    with server.run(program):
        server.post(november, SPIKE)
        until(lambda: len(hooks.posted["/"]) >= 2)
        # It notes what it has told after telling it: by when it tells another, it has.
        server.post(SENTINEL)
        until(lambda: len(hooks.posted["/"]) >= 3)
    with server.run(program):
        server.post(november, SPIKE)
        server.post(SENTINEL | {"alertname": "Sentinel2", "summary": "last of all"})
        until(lambda: len(hooks.posted["/"]) >= 4)
        server.post(november, over=True)  # its end is no news
        server.post(december)
        until(lambda: len(hooks.posted["/"]) >= 5)
    told = hooks.summaries("/")
    assert sorted(told[:2]) == [
        ("firing", ["80 % of search"]),
        ("firing", ["Spend has jumped: 41.00 USD in the last hour"]),
    ]
    assert told[2:] == [
        ("firing", ["last"]),
        ("firing", ["last of all"]),
        ("firing", ["80 % of search"]),
    ]
    assert hooks.posted["/"][4]["groupLabels"]["period"] == "2026-12"


def test_markup_in_a_label_stays_text(
    program: str, hooks: Hooks, mailbox: Mailbox, tmp_path: Path
) -> None:
    variables = {
        "COSTMETER_ALERT_EMAIL_TO": "finance@example.com",
        "COSTMETER_SMTP_SMARTHOST": mailbox.smarthost,
        "COSTMETER_SMTP_USERNAME": "costmeter",
        "COSTMETER_SMTP_PASSWORD": "s3cret",
        "COSTMETER_SMTP_REQUIRE_TLS": "false",
        "COSTMETER_SLACK_WEBHOOK_URL": hooks.url("/slack"),
    }
    server = Alertmanager(tmp_path, variables)
    evil = "<!channel> & <script>x</script>\r\nBcc: e@example.com"
    with server.run(program):
        server.post(SPIKE | {"summary": evil, "description": evil})
        until(lambda: mailbox.messages and hooks.posted["/slack"])
    (attachment,) = hooks.posted["/slack"][0]["attachments"]
    for text in (attachment["title"], attachment["text"], attachment["fallback"]):
        assert "<!channel>" not in text
        assert "&lt;!channel&gt; &amp; &lt;script&gt;" in text
    (mail,) = mailbox.messages
    assert mail["Bcc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.parametrize("prometheus_program", installed("prometheus"))
def test_what_prometheus_finds_arrives_with_its_value(
    program: str, prometheus_program: str, hooks: Hooks, tmp_path: Path
) -> None:
    exposed = Exposed(
        {
            names.BUILD_INFO: {("0.1.0", "3.11"): 1},
            names.UNPRICED_EVENTS: {("acme", "new", "no_price"): 0},
        }
    )
    server = Alertmanager(tmp_path / "alertmanager", {"COSTMETER_WEBHOOK_URL": hooks.url("/")})
    prometheus = Prometheus(tmp_path / "prometheus")
    prometheus.alert(server.port)
    with server.run(program), prometheus.run(prometheus_program), exposed.served() as port:
        prometheus.scrape(port)
        until(lambda: prometheus.query("cost_unpriced_events_total"))
        exposed.values[names.UNPRICED_EVENTS] = {("acme", "new", "no_price"): 7}
        until(lambda: hooks.posted["/"])
    notification = hooks.posted["/"][0]
    assert notification["receiver"] == "default"
    (alert,) = notification["alerts"]
    assert alert["labels"] == {
        "alertname": "CostUsageUnpriced",
        "severity": "warning",
        "kind": "health",
        "owner": "platform",
        "provider": "acme",
        "model": "new",
    }
    assert alert["annotations"]["summary"] == "No price is known for new of acme"
    assert alert["annotations"]["runbook_url"].endswith("/docs/runbook.md#costusageunpriced")


@pytest.mark.parametrize("prometheus_program", installed("prometheus"))
def test_a_budget_s_thresholds_arrive_once_each_and_the_limit_silences_the_lesser(
    program: str, prometheus_program: str, hooks: Hooks, tmp_path: Path
) -> None:
    period, long_ago, far_ahead = ("search", "day", "2026-11-22"), 1_000_000_000, 4_000_000_000
    levels = {"0.5": "info", "0.8": "warning", "0.9": "warning", "1": "critical"}
    exposed = Exposed(
        {
            names.BUILD_INFO: {("0.1.0", "3.11"): 1},
            names.LEDGER_INFO: {("L1", "1"): 1},
            names.BUDGET_LIMIT: {("search", "day", "soft"): 100, ("search", "day", "hard"): 120},
            names.BUDGET_THRESHOLD: {
                ("search", "day", share, level): float(share) for share, level in levels.items()
            },
            names.BUDGET_INFO: {("search", "search-leads", "warn", "UTC"): 1},
            names.BUDGET_PERIOD_START: {period: long_ago},
            names.BUDGET_PERIOD_END: {period: far_ahead},
            names.BUDGET_SPEND: {(*period, "L1"): 0},
        }
    )

    def arrive(told: int) -> None:
        until(lambda: len(hooks.posted["/search"]) >= told)

    variables = {
        "COSTMETER_WEBHOOK_URL": hooks.url("/default"),
        "COSTMETER_CRITICAL_WEBHOOK_URL": hooks.url("/critical"),
        "COSTMETER_OWNERS": f"{{search-leads: {{webhook: '{hooks.url('/search')}'}}}}",
    }
    server = Alertmanager(tmp_path / "alertmanager", variables)
    prometheus = Prometheus(tmp_path / "prometheus")
    prometheus.alert(server.port)
    with server.run(program), prometheus.run(prometheus_program), exposed.served() as port:
        prometheus.scrape(port)
        until(lambda: prometheus.query("budget:cost_spend:usd"))
        for told, spent in enumerate((52, 81, 101), start=1):
            exposed.values[names.BUDGET_SPEND] = {(*period, "L1"): spent}
            arrive(told)
        # 90 % was reached with the limit; another evaluation and another round bring no word of it.
        until(lambda: prometheus.query('ALERTS{threshold="0.9",alertstate="firing"}'))
        server.post(SENTINEL)
        until(lambda: hooks.posted["/default"])
    assert hooks.summaries("/search") == [
        ("firing", ["search has used 50% of its budget for the day 2026-11-22"]),
        ("firing", ["search has used 80% of its budget for the day 2026-11-22"]),
        ("firing", ["search has used up its budget for the day 2026-11-22"]),
    ]
    assert hooks.summaries("/critical") == hooks.summaries("/search")[2:]
    assert hooks.summaries("/default") == [("firing", ["last"])]
