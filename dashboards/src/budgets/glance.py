"""All budgets: which need somebody, how each stands, and how their shares came about."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import alerts, colours, panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels, Query

NOTHING: Final = "No budget is configured"
NEARLY: Final = 0.8
"""The share from which on a budget is nearly used: the first warning of the default thresholds."""

SHARE: Final = "max by (budget, window) (budget:cost_spend:ratio)"
LIMIT: Final = 'budget:cost_limit:usd{limit="soft"}'
LIMITED: Final = "count(budget:cost_limit:usd)"
"""Something where a budget has a limit."""
AHEAD: Final = (
    f"(budget:cost_forecast:usd > on (budget, window) group_left () {LIMIT})"
    " and on (budget, window) budget:cost_spend:ratio < 1"
)
"""Periods that will be over their limits and are not yet."""
SOONEST: Final = "budget:cost_exhaustion:seconds < budget:cost_period_remaining:seconds"

OF: Final = "Of the budgets with a limit; each day, week and month counts."
BUDGET_ALERTS: Final = 'alertname=~"CostBudget.+"'


def section() -> Section:
    """Return the section."""
    return Section(
        "All budgets",
        [
            Line(3, [(4, figure) for figure in _figures()]),
            Line(9, [(24, _table())]),
            Line(8, [(14, _shares()), (10, _alerts())]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    return (
        panels.figure(
            "Budgets",
            "Budgets that have a limit, by whatever window; spend of the others is counted, too.",
            "count(count by (budget) (budget:cost_limit:usd))",
            units.WHOLE,
            nothing=NOTHING,
        ),
        _count(
            "Used up", f"As much is spent as was meant, or more. {OF}", f"{SHARE} >= 1", act=True
        ),
        _count(
            "Nearly used",
            f"{NEARLY:.0%} of the soft limit is used, and not all of it. {OF}",
            f"({SHARE} >= {NEARLY}) < 1",
        ),
        _count(
            "Heading over",
            f"The forecast is over the soft limit, and what is spent not yet. {OF}",
            AHEAD,
        ),
        panels.figure(
            "Runs out next",
            "How long the first budget lasts that will not last until its period's end, at the rate"
            f" of the last day. {OF}",
            f"min({SOONEST}) or (vector(-1) and on () {LIMITED})",
            units.SPAN,
            levels=Levels(look=0),
            words={"-1": "None"},
            nothing=NOTHING,
        ),
        alerts.number("Budget alerts", "about budgets", BUDGET_ALERTS),
    )


def _count(title: str, text: str, expr: str, *, act: bool = False) -> Any:
    return panels.figure(
        title,
        text,
        f"count({expr}) or (vector(0) and on () {LIMITED})",
        units.WHOLE,
        levels=Levels(act=1) if act else Levels(look=1),
        words={"0": "None"},
        nothing=NOTHING,
    )


def _table() -> Any:
    info = f"max by (budget, owner, policy) ({queries.unnarrowed(names.BUDGET_INFO)})"
    joined = f"{SHARE} * on (budget) group_left (owner, policy) topk by (budget) (1, {info})"
    # absent once all is spent, or while nothing is: the former is said as 0
    lasts = "min by (budget, window) (budget:cost_exhaustion:seconds)"
    over = "max by (budget, window) ((budget:cost_spend:ratio >= 1) * 0)"
    table = panels.rows(
        "Each budget",
        "How each budget stands in its open period. Used is net of what came back; limits include"
        " what was inherited. Pace is the share used for each share of the time gone: 1 is on"
        " budget. Lasts is told at the rate of the last day; the forecast is that of the period's"
        " end.",
        [
            Column(
                "Share used",
                f"{joined} or on (budget, window) {SHARE}",
                units.SHARE,
                bar=True,
                levels=Levels(look=NEARLY, act=1),
            ),
            Column("Used", _of_limited("budget:cost_spend:usd"), units.USD),
            Column("Soft limit", _limit("soft"), units.USD),
            Column("Hard limit", _limit("hard"), units.USD),
            Column("Forecast", _of_limited("budget:cost_forecast:usd"), units.USD),
            Column(
                "Pace",
                "max by (budget, window) (budget:cost_pace:ratio)",
                units.TIMES,
                levels=Levels(look=1.5),
            ),
            Column(
                "Lasts",
                f"{lasts} or {over}",
                units.SPAN,
                words={"0": "used up"},
            ),
            Column("Ends in", _of_limited("budget:cost_period_remaining:seconds"), units.SPAN),
        ],
        named={"budget": "Budget", "window": "Window", "owner": "Owner", "policy": "Policy"},
        nothing=NOTHING,
    )
    return panels.widths(table, Budget=panels.WHOLE, Window=panels.SHORT, Policy=panels.SHORT)


def _limit(limit: str) -> str:
    return f'max by (budget, window) (budget:cost_limit:usd{{limit="{limit}"}})'


def _of_limited(rule: str) -> str:
    return f"max by (budget, window) ({rule} and on (budget, window) budget:cost_limit:usd)"


def _shares() -> Any:
    fullest = f"topk({queries.TOP}, max by (budget, window) (budget:cost_spend:ratio @ end()))"
    return panels.lines(
        "Share used of each budget",
        f"The {queries.TOP} of which most is used: share of the soft limit of the period that was"
        " open at each time. 100 % is all of it.",
        [
            Query(f"{SHARE} and on (budget, window) {fullest}", "{{budget}}, {{window}}"),
            Query("max(budget:cost_spend:ratio) * 0 + 1", "all of it"),
        ],
        units.SHARE,
        fixed={"all of it": colours.REST},
        dashed=("all of it",),
        nothing=NOTHING,
        points=panels.BARS,
    )


def _alerts() -> Any:
    return alerts.table(
        "Alerts of budgets",
        "Alerts about budgets that fire or are about to, and for how long.",
        BUDGET_ALERTS,
        {"budget": "Budget", "window": "Window"},
    )
