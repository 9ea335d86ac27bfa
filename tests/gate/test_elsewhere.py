"""One budget over several exporters: what the others spent comes from a real Prometheus."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from costmeter.budgets.period import period
from costmeter.sidecar.app import create_app
from costmeter.sidecar.config import PrometheusConfig
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.gate import elsewhere
from costmeter.sidecar.gate.elsewhere import Elsewhere
from costmeter.sidecar.web import WebConfig
from costmeter.units import NANO
from tests.e2e.processes import ROOT, Processes, end, free_port, hasten
from tests.examples.serving import serving
from tests.gate.stack import Stack
from tests.waiting import until

UTC = ZoneInfo("UTC")
NOON_NS = 1_795_348_800 * NANO  # 2026-11-22 12:00 UTC
DAY, MONTH = (period(window, NOON_NS, UTC) for window in ("day", "month"))


class Clock:
    def __init__(self) -> None:
        self.now = NOON_NS

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now - NOON_NS + 10**15

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * NANO)


class Answers:
    """What Prometheus would say: amounts in US dollars by ledger, and an age in seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spend: dict[str, float] = {}
        self.credit: dict[str, float] = {}
        self.age: float | None = 3
        self.inherited = "7.5"
        monkeypatch.setattr(elsewhere, "_query", self)

    def __call__(self, client: object, promql: str) -> Iterator[object]:
        if "inherited" in promql:
            labels = {"budget": "all", "window": "month", "period": MONTH.key}
            yield labels, Decimal(self.inherited)
            return
        if "timestamp" in promql:
            if self.age is not None:
                yield {}, Decimal(self.age)
            return
        for ledger, usd in (self.credit if "credit" in promql else self.spend).items():
            for each in (DAY, MONTH):
                labels = {"budget": "all", "window": each.window, "period": each.key}
                yield {**labels, "ledger": ledger}, Decimal(str(usd))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> tuple[Elsewhere, Answers, Clock]:
    clock = Clock()
    settings = PrometheusConfig(url="http://prometheus:9090", max_age="5m")
    return Elsewhere(lambda: settings, "own", clock), Answers(monkeypatch), clock


def test_the_others_spend_is_that_of_all_ledgers_but_ones_own(known):
    others, answers, _ = known
    answers.spend = {"own": 5, "a": 1.25, "b": 0.000000001}
    answers.credit = {"own": 3, "a": 0.25}
    others.ask()
    assert others.spent("all", DAY) == NANO + 1
    assert others.spent("all", MONTH) == NANO + 1


def test_no_data_is_not_no_spend(known):
    others, answers, _ = known
    assert others.spent("all", DAY) is None
    others.ask()  # an answer without the budget: rules are missing, or nothing is scraped
    assert others.spent("all", DAY) is None
    answers.spend = {"own": 5}
    others.ask()
    assert others.spent("all", DAY) == 0
    assert others.spent("another", DAY) is None


def test_what_is_known_holds_as_long_as_configured_since_the_oldest_scrape(known):
    others, answers, clock = known
    answers.spend = {"a": 2}
    others.ask()
    assert others.age_seconds() == 3
    clock.wait(297)
    assert others.spent("all", DAY) == 2 * NANO
    clock.wait(1)
    assert others.spent("all", DAY) is None


def test_a_period_that_has_just_begun_began_with_nothing_spent(known):
    others, answers, clock = known
    answers.spend = {"a": 2}
    others.ask()
    clock.now = DAY.end_ns
    tomorrow = period("day", clock.now, UTC)
    assert others.spent("all", tomorrow) == 0
    clock.wait(301)
    assert others.spent("all", tomorrow) is None


def test_a_period_inherits_what_all_ledgers_together_left(known):
    others, _, _ = known
    assert others.inherited("all", MONTH, 10 * NANO) == 0  # not known yet
    others.ask()
    assert others.inherited("all", MONTH, 10 * NANO) == 7_500_000_000
    assert others.inherited("all", MONTH, 5 * NANO) == 5 * NANO
    assert others.inherited("all", DAY, 5 * NANO) == 0
    alone = Elsewhere(lambda: None, "own", Clock())
    assert alone.inherited("all", MONTH, 10 * NANO) == 10 * NANO


def test_without_a_prometheus_this_ledger_has_it_all(known):
    others = Elsewhere(lambda: None, "own", Clock())
    assert others.spent("all", DAY) == 0
    assert others.age_seconds() is None
    assert others.unseen() == {}


def test_what_may_be_unseen_is_the_age_times_the_rate(known):
    others, answers, clock = known
    answers.spend = {"a": 2}
    others.ask()
    clock.wait(10)
    answers.spend = {"a": 4}
    others.ask()  # 2 USD in 10 s
    clock.wait(2)
    assert others.age_seconds() == 5  # 3 at the answer
    assert others.unseen() == {"all": pytest.approx(NANO)}


def test_a_password_in_the_url_is_sent_and_never_told(caplog):
    asked = []

    async def answer(scope, receive, send):
        asked.append((scope["path"], dict(scope["headers"]).get(b"authorization")))
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serving(answer) as url:
        settings = PrometheusConfig(
            url=url.replace("http://", "http://me:s%20ecret@") + "/prefix",
            poll_interval="1h",
            max_age="2h",
        )
        others = Elsewhere(lambda: settings, "own", Clock())
        others.start()
        until(lambda: others.problem)
        others.stop()
    assert asked == [("/prefix/api/v1/query", b"Basic bWU6cyBlY3JldA==")]
    assert "401" in others.problem
    assert "ecret" not in others.problem + caplog.text


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[str, Path, object]]:
    """A real Prometheus with costmeter's rules, each second; where its targets are written."""
    port = free_port()
    hasten(ROOT / "prometheus", tmp_path / "prometheus")
    targets = tmp_path / "prometheus" / "targets"
    (targets / "alertmanager.yml").write_text("[]")
    (targets / "costmeter.yml").write_text("[]")
    with Processes(tmp_path) as processes:
        process = processes.start(
            "prometheus",
            f"--config.file={tmp_path / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        yield f"http://127.0.0.1:{port}", targets / "costmeter.yml", process


@pytest.fixture
def today() -> None:
    """Not within the last minute of a day, nor its first, when nothing spent is known for certain."""
    left = 86_400 - time.time() % 86_400
    if left < 60:
        time.sleep(left + 10)


def test_a_budget_is_stopped_by_what_another_exporter_spent(
    stack: Stack, tmp_path: Path, prometheus, today: None
):
    url, targets, process = prometheus
    other = Stack(tmp_path / "other")
    with contextlib.ExitStack() as running:
        running.callback(other.stop)
        (tmp_path / "other").mkdir()
        other.journal.mkdir()
        other.start()
        stack.settings["prometheus"] = {"url": url, "poll_interval": "200ms", "max_age": "5s"}
        stack.start()
        assert stack.ask(1).outcome == "unavailable"  # no data is not no spend
        assert stack.ask("0.000000001", priority="critical").outcome == "allowed"

        addresses = [
            running.enter_context(serving(create_app(Exporter(each.pipeline), WebConfig())))
            for each in (stack, other)
        ]
        hosts = [address.removeprefix("http://") for address in addresses]
        targets.write_text(json.dumps([{"targets": hosts}]))
        other.spend("6")
        stack.spend("1")
        until(lambda: stack.ask("0.000000001").spent_nano_usd == 7 * NANO, 60)
        refused = stack.ask(3)
        assert (refused.outcome, refused.spent_nano_usd) == ("refused", 7 * NANO)
        assert stack.ask("0.5").outcome == "allowed"
        assert stack.samples("cost_gate_elsewhere_age_seconds")[()] < 5
        until(lambda: ("search",) in stack.samples("cost_gate_elsewhere_unseen_usd"))

        end(process, signal.SIGKILL)
        until(lambda: stack.ask("0.5").outcome == "unavailable", 60)
        stack.spend("9")
        assert stack.ask("0.5").outcome == "refused"  # that much is certain
        assert stack.samples("cost_gate_checks_total")["search", "unavailable"] >= 1
