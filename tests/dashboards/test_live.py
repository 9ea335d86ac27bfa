"""The overview over a real Prometheus: every amount is the sum worked out by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from costmeter import names
from costmeter.budgets.period import period
from costmeter.units import NANO
from dashboards.src import queries
from tests.dashboards.boards import TARGETS, Target, target
from tests.dashboards.exposed import Target as Sidecar
from tests.dashboards.known import (
    AGENT,
    CHAT,
    DAY,
    HOUR,
    LAST_6H,
    LIVE,
    MINE,
    QUIET,
    RANGES,
    RESTARTED,
    SPLIT,
    Spent,
    count,
)
from tests.rules.stack import until

if TYPE_CHECKING:
    from tests.dashboards.known import Stack


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
    halves = queries.largest_over_time("model", queries.spend_ahead("model"))
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


def test_a_bar_that_is_long_not_over_holds_what_has_come_so_far(stack: Stack) -> None:
    expr = queries.gained_ahead(queries.whole(names.SPEND), label="model")
    bar = Target("", "", "", {"expr": f"sum by (model) ({expr})"}).promql(DAY, __interval="1d")

    begun = stack.values(Target("", "", "", {"expr": bar}), DAY, stack.end - 400 * 60)
    assert begun["gpt-4o-mini"] == pytest.approx(3)


def test_choices_narrow_every_amount(stack: Stack) -> None:
    assert stack.spend(6 * HOUR, stack.end, model="gpt-4o") == pytest.approx(2.125)
    assert stack.spend(6 * HOUR, stack.end, model="(gpt-4o|claude)") == pytest.approx(3.125000001)
    assert stack.spend(6 * HOUR, stack.end, team="lab") == pytest.approx(1.000000001)
    assert stack.spend(6 * HOUR, stack.end, team="nobody") == 0
    listed = stack.values(target("Spend by provider"), 6 * HOUR, stack.end, feature="assist")
    assert listed == pytest.approx({"openai": 5.125})


def test_without_a_sidecar_nothing_is_said_to_be_right(stack: Stack) -> None:
    assert stack.values(target("Data health"), 6 * HOUR, time.time(), job="nobody") == {}


def test_no_choice_hides_that_something_is_missing(stack: Stack) -> None:
    def health(**choices: str) -> dict[str, float]:
        return stack.values(target("Data health"), 6 * HOUR, time.time(), **choices)

    until(lambda: health(model="gpt-4o", team="lab") == {"": 1}, "a scrape")  # has no price


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


def test_calendar_figures_stand_against_the_limits(stack: Stack) -> None:
    def figure(panel: str) -> float | None:
        return stack.values(target(panel), 6 * HOUR, time.time()).get("")

    until(lambda: figure("Of the month's limit, projected"), "the forecast")

    assert figure("Of the day's limit") == pytest.approx(3 / 80)
    left = stack.values(target("Left this month"), 6 * HOUR, time.time())
    assert left == pytest.approx({"left": 40})
    assert figure("Of the month's limit") == pytest.approx(40 / 80)


@pytest.mark.parametrize(
    "one", [each for each in TARGETS if each.board in MINE and each.panel not in QUIET], ids=str
)
def test_every_query_has_an_answer(stack: Stack, one: Target) -> None:
    def answer() -> list[dict[str, Any]]:
        now, promql = time.time(), one.promql(6 * HOUR)
        if one.query["instant"]:
            return stack.prometheus.query(promql, now)
        return stack.prometheus.query_range(promql, now - 6 * HOUR, now, 300)

    assert until(answer, "recording rules")


@pytest.mark.parametrize(
    "one", [each for each in TARGETS if each.board in MINE and each.panel in QUIET], ids=str
)
def test_every_other_query_is_one_that_prometheus_answers(stack: Stack, one: Target) -> None:
    now = time.time()
    assert stack.prometheus.query(one.promql(6 * HOUR), now) == []


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
