"""What each model or provider cost and did in the chosen time, side by side."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels
from dashboards.src.queries import (
    CALLS,
    DURATIONS,
    FAILED,
    FAILED_SPEND,
    PAID,
    TOKENS,
    by,
    gained,
    total,
)

PER: Final = "$per"
"""The label whose values stand side by side."""
READ: Final = queries.series(names.TOKENS, 'type=~"input|cache_read|cache_write"')
CACHED: Final = queries.series(names.TOKENS, 'type="cache_read"')
MADE: Final = queries.series(names.TOKENS, 'type=~"output|reasoning"')
UNIT: Final = "compute, storage and network are left out"
FAILS: Final = Levels(look=0.02, act=0.1)
"""From which share of calls that fail on somebody should look, or act."""


def section() -> Section:
    """Return the section."""
    return Section(
        "The chosen time, side by side",
        [
            Line(3, [(8, figure) for figure in _figures()[:3]]),
            Line(3, [(8, figure) for figure in _figures()[3:]]),
            Line(11, [(24, _table())]),
            Line(8, [(8, _spend()), (8, _failed()), (8, _prices())]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    calls, failed, paid, tokens = (gained(what) for what in (CALLS, FAILED, PAID, TOKENS))
    return (
        panels.figure(
            "Spend",
            "Money spent in the chosen time, less what came back.",
            total(queries.spend()),
            units.USD,
        ),
        panels.figure(
            "Cost of 1k calls",
            f"Spend of the chosen time by 1,000 calls; {UNIT}.",
            f"1000 * sum({paid}) / (sum({calls}) > 0)",
            units.USD,
            nothing="No calls",
        ),
        panels.figure(
            "Cost of 1M tokens",
            f"Spend of the chosen time by a million tokens of any type; {UNIT}.",
            f"1e6 * sum({paid}) / (sum({tokens}) > 0)",
            units.USD,
            nothing="No tokens",
        ),
        panels.figure(
            "Calls failed",
            "Share of the calls of the chosen time that did not end well.",
            f"({total(failed)}) / (sum({calls}) > 0)",
            units.SHARE,
            levels=FAILS,
            nothing="No calls",
        ),
        panels.figure(
            "Spent on failed calls",
            "What calls that did not end well cost all the same; part of the spend.",
            total(gained(FAILED_SPEND)),
            units.USD,
        ),
        panels.figure(
            "P95 of all calls",
            "95 of 100 calls of the chosen time took no longer. Of all features and teams.",
            f"histogram_quantile(0.95, sum by (le) ({gained(DURATIONS)})) >= 0",
            units.DURATION,
            nothing="No calls",
        ),
    )


def _table() -> Any:
    spend, calls, tokens, paid = queries.spend(), gained(CALLS), gained(TOKENS), gained(PAID)
    failed_spend = gained(FAILED_SPEND)
    called = f"and on ({PER}) (sum by ({PER}) ({calls}) > 0)"  # by the chosen features and teams
    return panels.rows(
        f"By {PER}",
        "The column Cost adds up to the figure 'Spend'. Unit costs leave compute, storage and"
        " network out. Cached is the share of what was read that came from a cache; out of a dollar"
        " are tokens that a model wrote for one, reasoning included. Durations are those of all"
        " features and teams.",
        [
            Column("Cost", by(PER, spend), units.USD),
            Column("Calls", by(PER, calls), units.COUNT),
            Column("1k calls", queries.ratio(PER, f"1000 * {paid}", calls), units.USD),
            Column("Tokens", by(PER, tokens), units.COUNT),
            Column("1M tokens", queries.ratio(PER, f"1e6 * {paid}", tokens), units.USD),
            Column("Cached", queries.ratio(PER, gained(CACHED), gained(READ)), units.SHARE),
            Column("Out of a dollar", queries.ratio(PER, gained(MADE), paid), units.COUNT),
            Column(
                "P50", f"{queries.quantile(0.5, PER, gained(DURATIONS))} {called}", units.DURATION
            ),
            Column(
                "P95", f"{queries.quantile(0.95, PER, gained(DURATIONS))} {called}", units.DURATION
            ),
            Column("Failed", queries.ratio(PER, gained(FAILED), calls), units.SHARE, levels=FAILS),
            Column("Spent on failed", by(PER, failed_spend), units.USD),
        ],
    )


def _spend() -> Any:
    return panels.amounts(
        f"Spend by {PER}",
        f"Money spent in the chosen time, less what came back: the {queries.TOP} largest.",
        queries.largest(PER, queries.spend()),
        queries.CHOICE,
        units.USD,
    )


def _failed() -> Any:
    return panels.amounts(
        "Failed calls by status",
        "Calls of the chosen time that did not end well, by what became of them.",
        f"{queries.largest('status', gained(FAILED))} > 0",
        "status",
        units.COUNT,
        nothing="No call failed",
    )


def _prices() -> Any:
    prices = queries.series(names.TOKEN_PRICE)

    def of(kind: str) -> str:
        return f'1e6 * max by (provider, model) ({prices[:-1]}, type="{kind}"}})'

    return panels.rows(
        "Prices of 1M tokens",
        "What is charged now for a million tokens of each type, at the base tier, of models seen.",
        [
            Column("Output", of("output"), units.USD),
            Column("Input", of("input"), units.USD),
            Column("Cache read", of("cache_read"), units.USD),
        ],
        named={"provider": "Provider", "model": "Model"},
        nothing="No priced model seen",
    )
