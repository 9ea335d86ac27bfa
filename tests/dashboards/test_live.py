"""The overview over a real Prometheus: every amount is the sum worked out by hand.

One past of nine days and six hours of the present, with all that makes amounts go wrong: labels
that are new, a restart, a ledger that is gone, one that moves, money that comes back. Written down
by the minute before the end, in nano-dollars; each of these amounts is in the comment beside it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest

from costmeter import names
from costmeter.budgets.period import period
from costmeter.units import NANO
from dashboards.src import queries
from tests.dashboards.boards import TARGETS, Target, target
from tests.dashboards.exposed import TARGET, Meter, Past
from tests.dashboards.exposed import Target as Sidecar
from tests.dashboards.server import Prometheus, prometheus
from tests.rules.stack import installed, until

if TYPE_CHECKING:
    from collections.abc import Iterator

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


SPENDING: Final = (
    Spent(8 * 24 * 60, CHAT, input=60 * NANO, output=40 * NANO),  # 100, long ago
    Spent(7 * 24 * 60 + 180, CHAT, input=4 * NANO),  # 4, a week before the last six hours
    Spent(20 * 60, CHAT, output=NANO),  # 1
    Spent(5 * 60, CHAT, input=NANO, output=1_500_000_000),  # 2.5
    Spent(330, BATCH, input=3 * NANO, ledger=1),  # 3, by a ledger that is gone five hours ago
    Spent(4 * 60, AGENT, input=250_000_000, output=500_000_000),  # 0.75, labels are new
    Spent(185, CHAT, output=125_000_000),  # 0.125, while Prometheus sees nothing
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


LIVE: Final = 0.03125
"""Spent after the end, before the sidecar is restarted."""
RESTARTED: Final = 0.0625
"""Spent while it is restarted."""


def count(meter: Meter, spent: Spent, calls: int = 1) -> None:
    """Count something as one call of 600 tokens in and 400 out."""
    meter.add(names.SPEND, {**spent.labels, "component": "input"}, spent.input)
    meter.add(names.SPEND, {**spent.labels, "component": "output"}, spent.output)
    meter.add(names.CREDIT, spent.labels, spent.credit)
    meter.add(names.API_CALLS, {**spent.labels, "status": "ok"}, calls)
    meter.add(names.API_CALLS, {**spent.labels, "status": "timeout"}, 0)
    meter.add(names.TOKENS, {**spent.labels, "type": "input"}, 600 * calls)
    meter.add(names.TOKENS, {**spent.labels, "type": "output"}, 400 * calls)
    request = {label: spent.labels[label] for label in ("endpoint", "provider")}
    meter.observe(names.REQUEST_COST, request, spent.input + spent.output, calls)


def lived(database: Path, end: int) -> Meter:
    """Write nine days up to ``end`` and return what the first ledger has counted by then."""
    ledgers, past, recorded = (Meter(), Meter()), Past(), history(end)
    for minutes in (*range(9 * 24 * 60, 26 * 60, -4), *range(26 * 60, -1, -1)):
        if labels := FIRST_SEEN.get(minutes):
            count(ledgers[labels is BATCH], Spent(minutes, labels), calls=0)
        for spent in SPENDING:
            if spent.minutes == minutes:
                count(ledgers[spent.ledger], spent, calls=int(not spent.credit))
        new = {"provider": "openai", "model": "gpt-6"}
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


@pytest.fixture(scope="module", params=installed("prometheus"))
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("prometheus")
    end = int(time.time()) // 300 * 300
    meter = lived(folder / "tsdb", end)
    present(meter)
    rules = []
    for path in Path("prometheus/rules").glob("*.yml"):
        rules.append(folder / path.name)
        rules[-1].write_text(re.sub(r"interval: \d+[mh]", "interval: 1s", path.read_text()))
    sidecar = Sidecar(meter.page)
    with prometheus(
        folder, sidecar.port, rules=rules, interval="1s", program=request.param
    ) as server:
        yield Stack(server, end, meter, sidecar)
    sidecar.close()


@pytest.mark.parametrize(("span", "usd"), RANGES.items())
def test_spend_of_a_range_is_exact(stack: Stack, span: int, usd: float) -> None:
    assert stack.spend(span, stack.end) == pytest.approx(usd, abs=1e-10)


@pytest.mark.parametrize("label", SPLIT)
def test_lists_hold_what_was_spent_and_add_up_to_the_figure_above(stack: Stack, label: str) -> None:
    listed = stack.values(target(f"Spend by {label}"), 6 * HOUR, stack.end)

    assert {key: value for key, value in listed.items() if value} == pytest.approx(
        SPLIT[label], abs=1e-10
    )
    assert sum(listed.values()) == pytest.approx(LAST_6H, abs=1e-10)


@pytest.mark.parametrize("label", ["model", "feature", "team", "endpoint", "provider"])
def test_the_table_adds_up_to_the_figure_above(stack: Stack, label: str) -> None:
    cost = stack.values(target("By $by"), 6 * HOUR, stack.end, by=label)
    share = stack.values(target("By $by", "B"), 6 * HOUR, stack.end, by=label)

    assert cost == pytest.approx(SPLIT[label], abs=1e-10)
    assert sum(share.values()) == pytest.approx(1)
    for key, usd in SPLIT[label].items():
        assert share[key] == pytest.approx(usd / LAST_6H)


def test_a_chart_adds_up_what_it_does_not_tell_apart(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "STACKED", 1)
    halves = queries.largest_over_time("model", queries.spend_ahead())
    found = [
        stack.prometheus.query_range(
            Target("", "", "", {"expr": half}).promql(6 * HOUR, HOUR),
            stack.end - 6 * HOUR,
            stack.end - HOUR,
            HOUR,
        )
        for half in halves
    ]

    ((first,), (others,)) = found
    assert first["metric"] == {"model": "gpt-4o-mini"}
    assert sum(float(value) for _, value in first["values"]) == pytest.approx(3)
    assert sum(float(value) for _, value in others["values"]) == pytest.approx(3.125000001)


@pytest.mark.parametrize("step", [300, 900, 3600, 7200])
def test_bars_add_up_to_the_figure_above_whatever_they_span(stack: Stack, step: int) -> None:
    for label in ("model", "team"):
        bars = stack.bars("Spend over time by $by", 6 * HOUR, step, by=label)
        assert bars == pytest.approx(LAST_6H, abs=1e-10)
    assert stack.bars("Calls over time", 6 * HOUR, step) == 6
    assert stack.bars("Tokens over time by type", 6 * HOUR, step) == 6000


def test_choices_narrow_every_amount(stack: Stack) -> None:
    assert stack.spend(6 * HOUR, stack.end, model="gpt-4o") == pytest.approx(2.125)
    assert stack.spend(6 * HOUR, stack.end, model="(gpt-4o|claude)") == pytest.approx(3.125000001)
    assert stack.spend(6 * HOUR, stack.end, team="lab") == pytest.approx(1.000000001)
    assert stack.spend(6 * HOUR, stack.end, team="nobody") == 0
    listed = stack.values(target("Spend by provider"), 6 * HOUR, stack.end, feature="assist")
    assert listed == pytest.approx({"openai": 5.125})


def test_without_a_sidecar_nothing_is_said_to_be_right(stack: Stack) -> None:
    for panel in ("Data health", "Unpriced", "Age of prices", "Models without a price"):
        assert stack.values(target(panel), 6 * HOUR, time.time(), job="nobody") == {}


def test_no_choice_hides_that_something_is_missing(stack: Stack) -> None:
    for panel in ("Unpriced", "Data health"):
        one = target(panel)
        shown = until(
            lambda one=one: stack.values(one, 6 * HOUR, time.time(), model="gpt-4o", team="lab"),
            "a scrape",
        )
        assert shown[""] > 0


def test_units_cost_what_was_paid_by_what_was_counted(stack: Stack) -> None:
    def figure(panel: str) -> dict[str, float]:
        return stack.values(target(panel), 6 * HOUR, stack.end)

    assert figure("Calls") == {"": 6}
    assert figure("Calls failed") == {"": 0}
    assert figure("Cost of a call") == pytest.approx({"": 6.625000001 / 6})
    assert figure("Cost of 1k tokens") == pytest.approx({"": 6.625000001 / 6})
    assert figure("Mean cost of a request by endpoint") == pytest.approx(
        {"/chat": 2.625 / 2, "/batch": 3.0, "/agent": 1.000000001 / 3}
    )


def test_the_present_is_compared_with_the_same_hours_before(stack: Stack) -> None:
    compared = stack.values(target("Compared"), 6 * HOUR, stack.end)
    changes = stack.values(target("What changed most by $by"), 6 * HOUR, stack.end)
    before = stack.values(target("What changed most by $by", "B"), 6 * HOUR, stack.end)

    assert compared == pytest.approx({"": 6.125000001 / 4 - 1})
    assert before == pytest.approx({"gpt-4o": 4})
    assert changes == pytest.approx({"gpt-4o": -1.875, "gpt-4o-mini": 3.0, "claude": 1.000000001})


def test_what_nobody_knows_is_not_shown_as_nothing(stack: Stack) -> None:
    for panel in ("Compared", "What changed most by $by"):
        assert stack.values(target(panel), 6 * HOUR, stack.end, ago="4w") == {}, "long before"
        assert stack.values(target(panel), 4 * DAY, stack.end, ago="1w") == {}, "only a part of it"


def test_calendar_figures_are_those_of_the_ledgers(stack: Stack) -> None:
    def figure(panel: str) -> float | None:
        return stack.values(target(panel), 6 * HOUR, time.time()).get("")

    until(lambda: figure("Last hour"), "recording rules")
    until(lambda: figure("Month, projected"), "the forecast")

    assert figure("Today") == pytest.approx(3)
    assert figure("This week") == pytest.approx(12)
    assert figure("This month") == pytest.approx(40)
    assert figure("Last hour") == pytest.approx(2.5)  # 40.5 less 38
    assert figure("Against last week") == pytest.approx(0.5)  # 12 against 8
    left = period("month", time.time_ns(), ZoneInfo("UTC")).end_ns / NANO - time.time()
    assert figure("Month, projected") == pytest.approx(40 + 3 / (7 * DAY) * left, abs=1e-3)
    days = stack.values(target("Spend by day"), 6 * HOUR, time.time())
    assert sorted(days.values()) == [3, 5]


def test_checks_say_what_is_missing(stack: Stack) -> None:
    def figure(panel: str) -> float | None:
        return stack.values(target(panel), 6 * HOUR, time.time()).get("")

    until(lambda: figure("Age of prices"), "a scrape")

    assert figure("Unpriced") == 2
    assert figure("Data health") == 1
    assert figure("Age of prices") == pytest.approx(HOUR, abs=120)
    assert stack.values(target("Models without a price"), 6 * HOUR, time.time()) == {
        "gpt-6openai": 2
    }


@pytest.mark.parametrize("one", [each for each in TARGETS if each.board in MINE], ids=str)
def test_every_query_has_an_answer(stack: Stack, one: Target) -> None:
    def answer() -> list[dict[str, Any]]:
        now, promql = time.time(), one.promql(6 * HOUR)
        if one.query["instant"]:
            return stack.prometheus.query(promql, now)
        return stack.prometheus.query_range(promql, now - 6 * HOUR, now, 300)

    assert until(answer, "recording rules")


def test_a_restart_of_the_sidecar_neither_loses_nor_doubles_money(stack: Stack) -> None:
    def scraped(usd: float) -> bool:
        return stack.spend(6 * HOUR, time.time()) == pytest.approx(LAST_6H + usd, abs=1e-10)

    count(stack.meter, Spent(0, CHAT, input=31_250_000))
    until(lambda: scraped(LIVE), "what was spent before the restart")
    port = stack.sidecar.port
    stack.sidecar.close()
    until(lambda: not stack.prometheus.query("up == 1", time.time()), "the sidecar to be gone")
    assert scraped(LIVE)

    count(stack.meter, Spent(0, AGENT, output=62_500_000))
    stack.sidecar = Sidecar(stack.meter.page, port)
    until(lambda: scraped(LIVE + RESTARTED), "what was spent while it was gone")

    listed = stack.values(target("Spend by model"), 6 * HOUR, time.time())
    assert listed["gpt-4o"] == pytest.approx(2.125 + LIVE)
    assert listed["claude"] == pytest.approx(1.000000001 + RESTARTED)
