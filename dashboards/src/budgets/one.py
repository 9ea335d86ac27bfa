"""One budget in depth: its spend against its limits, how fast it burns, and who was told."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from dashboards.src import alerts, colours, panels, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels, Query

NOTHING: Final = "No such budget"
ONE: Final = '{budget="$budget", window="$window"}'
SOFT: Final = 'budget:cost_limit:usd{budget="$budget", window="$window", limit="soft"}'
HARD: Final = 'budget:cost_limit:usd{budget="$budget", window="$window", limit="hard"}'

OPEN: Final = f" and on (period) budget:cost_spend:usd{ONE} @ end()"
"""Of the period that is open at the end: a chart may begin within the one before."""

UNKNOWN: Final = f"max({SOFT}) * NaN"
"""A line that has its name and colour, and is not there."""

BURNS: Final = {"1h": ("hour", 3600), "6h": ("6 hours", 21_600), "7d": ("7 days", 604_800)}
"""Windows of the rules that tell of burning: words for them, and seconds."""

THIS: Final = "Of the chosen budget's open period."


def section() -> Section:
    """Return the section."""
    figures = (*_figures(), *_more())
    return Section(
        "One budget: $budget, this $window",
        [
            *(Line(3, [(6, figure) for figure in figures[at : at + 4]]) for at in (0, 4, 8)),
            Line(10, [(16, _spend()), (8, _thresholds())]),
            Line(8, [(16, _burning()), (8, _burns())]),
            Line(7, [(16, _periods()), (8, _alerts())]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    return (
        panels.figure(
            "Used",
            f"Money spent, less what came back, to the cent. {THIS}",
            f"sum(budget:cost_spend:usd{ONE})",
            units.USD,
            nothing=NOTHING,
        ),
        panels.figure(
            "Share used",
            f"Share of the soft limit that is used. {THIS}",
            f"max(budget:cost_spend:ratio{ONE})",
            units.SHARE,
            levels=Levels(look=0.8, act=1),
            nothing="No limit",
        ),
        panels.balance(
            "Left",
            f"What is left of the soft limit, or how much more was spent. {THIS}",
            f"min(budget:cost_remaining:usd{ONE})",
            units.USD,
            nothing="No limit",
        ),
        panels.figure(
            "Forecast",
            f"What the open period will come to at its end; see docs/budgets.md. {THIS}",
            f"max(budget:cost_forecast:usd{ONE}) or max({SOFT}) * 0 - 1",
            units.USD,
            words={"-1": "Not known yet"},
            nothing="No limit",
        ),
        panels.figure(
            "Lasts",
            f"How long what is left will last at the rate of the last day. {THIS}",
            f"min(budget:cost_exhaustion:seconds{ONE})"
            f" or min((budget:cost_spend:ratio{ONE} >= 1) * 0)",
            units.SPAN,
            words={"0": "Used up"},
            nothing="Nothing is spent",
        ),
        panels.figure(
            "Ends in",
            "Time until the open period's end, in the budget's own time zone.",
            f"max(budget:cost_period_remaining:seconds{ONE})",
            units.SPAN,
            nothing=NOTHING,
        ),
    )


def _more() -> tuple[Any, ...]:
    return (
        panels.figure(
            "Soft limit",
            "What is meant to be spent at most, with what was inherited; thresholds are shares of"
            f" it. {THIS}",
            f"max({SOFT})",
            units.USD,
            nothing="No limit",
        ),
        panels.figure(
            "Hard limit",
            f"The limit at which to stop, with what was inherited. {THIS}",
            f"max({HARD}) or max({SOFT}) * 0 - 1",
            units.USD,
            words={"-1": "None"},
            nothing="No limit",
        ),
        panels.figure(
            "Inherited",
            "What the periods before left unused and passed on; both limits include it.",
            f"max(budget:cost_inherited:usd{ONE}) or max({SOFT}) * 0",
            units.USD,
            nothing="No limit",
        ),
        panels.figure(
            "Pace",
            f"Share used for each share of the period gone: 1 is on budget. {THIS}",
            f"max(budget:cost_pace:ratio{ONE})",
            units.TIMES,
            levels=Levels(look=1.5),
            nothing="No limit",
        ),
        panels.figure(
            "Last hour of it",
            "What the last 60 minutes cost this budget, before what came back.",
            'sum(budget:cost_spend_usd:delta1h{budget="$budget"})',
            units.USD,
            nothing=NOTHING,
        ),
        panels.figure(
            "Last day of it",
            "What the last 24 hours cost this budget, before what came back.",
            'sum(budget:cost_spend_usd:delta1d{budget="$budget"})',
            units.USD,
            nothing="Not known yet",
        ),
    )


def _spend() -> Any:
    shares = f"budget:cost_threshold:ratio{ONE} != 1"
    panel = panels.lines(
        "Spend against limits, since the $window began",
        "Money spent in the open period up to each time, less what came back; the limits with what"
        " was inherited; the thresholds at which someone is told; and what the whole will come"
        " to, as it was forecast at each time. From the period's beginning, whatever time"
        " is chosen above.",
        [
            Query(f"sum(budget:cost_spend:usd{ONE}{OPEN})", "spent"),
            Query(f"max({SOFT})", "soft limit"),
            Query(f"max({HARD}) or {UNKNOWN}", "hard limit"),
            Query(f"max(budget:cost_forecast:usd{ONE}{OPEN}) or {UNKNOWN}", "forecast"),
            Query(
                f"max by (threshold) ({shares}) * on () group_left () max({SOFT})",
                "threshold {{threshold}}",
            ),
        ],
        units.USD_AXIS,
        fixed={
            "spent": colours.MONEY,
            "soft limit": colours.LOOK,
            "hard limit": colours.ACT,
            "forecast": colours.SKY,
        },
        dashed=("forecast",),
        nothing=NOTHING,
    )
    panel.override_by_regexp("/^threshold/", [
        DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colours.REST}),
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [2, 6]}),
        DynamicConfigValue("custom.lineWidth", 1),
    ])  # fmt: skip
    return panel.time_from("${age}s").hide_time_override(True)


def _thresholds() -> Any:
    at = (
        f"max by (threshold, severity) (budget:cost_threshold:ratio{ONE})"
        f" * on () group_left () max({SOFT})"
    )
    spent = f"on () group_left () max(budget:cost_spend:usd{ONE})"
    return panels.rows(
        "Thresholds",
        "Shares of the soft limit at which someone is told, once in a period, and how much is left"
        " until then.",
        [
            Column("At", at, units.USD),
            Column(
                "Left until then",
                f"clamp_min(({at}) - {spent}, 0)",
                units.USD,
                words={"0": "reached"},
            ),
        ],
        named={"threshold": "Share", "severity": "Severity"},
        nothing="No limit for this window",
    )


def _burning() -> Any:
    """Each window's spend as a multiple of what the chosen limit allows in so long a time."""
    length = f"max(budget:cost_period_end:timestamp_seconds{ONE}{OPEN})"
    start = f"max(budget:cost_period_start:timestamp_seconds{ONE}{OPEN})"
    return panels.lines(
        "Burn rate",
        "Spend of the last hour, six hours and seven days at each time, as a multiple of what the"
        " chosen soft limit allows in so long a time: 1 uses it up just at its period's end.",
        [
            Query(
                f'max(budget:cost_spend_usd:delta{name}{{budget="$budget"}}) / {seconds}'
                f" * ({length} - {start}) / max({SOFT})",
                f"last {words}",
            )
            for name, (words, seconds) in BURNS.items()
        ],
        units.TIMES,
        nothing="No limit",
        points=panels.BARS,
    )


def _burns() -> Any:
    """Return how much each window may cost before an alert, and how much it did cost."""
    spent = " or ".join(
        _row(words, f'max(budget:cost_spend_usd:delta{name}{{budget="$budget"}})')
        for name, (words, _) in BURNS.items()
    )
    told = " or ".join(
        _row(words, f'max(budget:cost_burn_allowed:usd{name}{{budget="$budget"}})')
        for name, (words, _) in BURNS.items()
    )
    return panels.rows(
        "Burn against alerts",
        "What the last hour, six hours and seven days cost, before what came back, and from which"
        " amount on someone is told, if it goes on: shares of the budget's longest soft limit.",
        [
            Column(
                "Share",
                f"({spent}) / on (within) group_left () ({told})",
                units.SHARE,
                levels=Levels(look=1),
            ),
            Column("Cost", spent, units.USD),
            Column("Told from", told, units.USD),
        ],
        named={"within": "Last"},
        nothing="No limit",
    )


def _row(words: str, value: str) -> str:
    return f'label_replace({value}, "within", "{words}", "", "")'


def _alerts() -> Any:
    return alerts.table(
        "Alerts of this budget",
        "Alerts about the chosen budget, of all its windows, that fire or are about to.",
        'budget="$budget"',
        {"window": "Window"},
    )


def _periods() -> Any:
    each = f"last_over_time(budget_period:cost_spend:usd{ONE}[84d])"
    return panels.periods(
        "Spend of each $window",
        "What each period of the last twelve weeks cost, less what came back; the open one so far."
        " From the ledgers' own sums, to the cent.",
        f"max by (period) ({each})",
        units.USD,
        "period",
    )
