"""What each model or provider cost and did in the chosen time, side by side."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, spent, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column
from dashboards.src.queries import (
    CALLS,
    DURATIONS,
    FAILED,
    FAILED_SPEND,
    PAID,
    RETRIES,
    TOKENS,
    WAITS,
    by,
    gained,
)

PER: Final = "$per"
"""The label whose values stand side by side."""
READ: Final = queries.series(names.TOKENS, 'type=~"input|cache_read|cache_write"')
CACHED: Final = queries.series(names.TOKENS, 'type="cache_read"')
SAVED: Final = (
    "what reading from the providers' caches saved in the chosen time against paying for input,"
    " less what writing to them cost more, at the prices of now; of what has such prices"
)


def section() -> Section:
    """Return the section."""
    figures = _figures()
    return Section(
        "The chosen time, side by side",
        [
            *(Line(3, [(6, figure) for figure in figures[at : at + 4]]) for at in (0, 4)),
            Line(11, [(24, _table())]),
            Line(8, [(7, spent.largest(PER)), (6, _failed()), (11, _prices())]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    return (
        spent.spend(),
        spent.cost_of("1k calls", CALLS, times="1000 *", unit=units.USD, nothing="No calls"),
        spent.cost_of("1M tokens", TOKENS, times="1e6 *", unit=units.USD, nothing="No tokens"),
        panels.figure(
            "P95 of all calls",
            "95 of 100 calls of the chosen time took no longer. Of all features and teams.",
            f"histogram_quantile(0.95, sum by (le) ({gained(DURATIONS)})) >= 0",
            units.DURATION,
            nothing="No calls",
        ),
        spent.failed(),
        spent.on_failed(),
        panels.figure(
            "Read from caches",
            "Share of the tokens read in the chosen time that came from a provider's cache.",
            f"({queries.total(gained(CACHED))}) / (sum({gained(READ)}) > 0)",
            units.SHARE,
            nothing="No tokens",
        ),
        panels.figure(
            "Saved by caches",
            f"About {SAVED}.",
            f"sum({queries.saved()})",
            units.USD_CHANGE,
            nothing="No cache used",
        ),
    )


def _table() -> Any:
    spend, calls, tokens, paid = queries.spend(), gained(CALLS), gained(TOKENS), gained(PAID)
    called = f"and on ({PER}) (sum by ({PER}) ({calls}) > 0)"  # by the chosen features and teams

    def quantile(q: float, buckets: str) -> str:
        return f"{queries.quantile(q, PER, gained(buckets))} {called}"

    return panels.rows(
        f"By {PER}",
        "The column Cost adds up to the figure 'Spend'. Unit costs leave compute, storage and"
        " network out. Cached is the share of what was read that came from a cache; Saved is about"
        f" {SAVED}. First token is how long half of the streamed calls waited for it. Durations and"
        " Retries, attempts that an SDK made again by itself, are those of all features and teams.",
        [
            Column("Cost", by(PER, spend), units.USD),
            Column("Calls", by(PER, calls), units.COUNT),
            Column("1k calls", queries.ratio(PER, f"1000 * {paid}", calls), units.USD),
            Column("Tokens", by(PER, tokens), units.COUNT),
            Column("1M tokens", queries.ratio(PER, f"1e6 * {paid}", tokens), units.USD),
            Column("Cached", queries.ratio(PER, gained(CACHED), gained(READ)), units.SHARE),
            Column("Saved", by(PER, queries.saved()), units.USD_CHANGE),
            Column("P50", quantile(0.5, DURATIONS), units.DURATION),
            Column("P95", quantile(0.95, DURATIONS), units.DURATION),
            Column("First token", quantile(0.5, WAITS), units.DURATION),
            Column(
                "Failed", queries.ratio(PER, gained(FAILED), calls), units.SHARE, levels=spent.FAILS
            ),
            Column("Retries", f"{by(PER, gained(RETRIES))} {called}", units.COUNT),
            Column("Failed cost", by(PER, gained(FAILED_SPEND)), units.USD),
        ],
        whole=True,
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

    table = panels.rows(
        "Prices of 1M tokens",
        "What is charged now for a million tokens of each type, at the base tier, of models seen.",
        [
            Column("Output", of("output"), units.USD),
            Column("Input", of("input"), units.USD),
            Column("Cache read", of("cache_read"), units.USD),
        ],
        named={"model": "Model", "provider": "Provider"},
        nothing="No priced model seen",
    )
    return panels.widths(table, Model=panels.WHOLE)
