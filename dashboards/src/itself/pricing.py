"""Prices and labels: what has no price, how fresh prices are, and which labels overflow."""

from __future__ import annotations

from typing import Any

from costmeter import names
from dashboards.src import alerts, panels, queries, units
from dashboards.src.itself.chosen import CHOSEN, of
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Query


def section() -> Section:
    """Return the section."""
    return Section(
        "Prices and labels",
        [
            Line(7, [(12, _unpriced()), (12, _estimated())]),
            Line(7, [(8, _overflow()), (16, _age())]),
        ],
    )


def _unpriced() -> Any:
    panel = _events(
        "Usage without a price, by model",
        "Usage events of the chosen time that could not be priced: no_price, the catalogue does not"
        " know the model: add it to prices.models of costmeter.yml and run 'costmeter reprice';"
        " no_usage, the call did not tell what it used.",
        names.UNPRICED_EVENTS,
        "Everything has a price",
        {"model": "Model", "provider": "Provider", "reason": "Reason"},
    )
    return alerts.told_by("CostUsageUnpriced", panel)


def _estimated() -> Any:
    return _events(
        "Usage that was estimated, by model",
        "Usage events of the chosen time whose tokens the application counted by itself, because"
        " the provider told none: in the spend, and close rather than exact.",
        names.ESTIMATED_EVENTS,
        "Nothing was estimated",
        {"model": "Model", "provider": "Provider"},
    )


def _overflow() -> Any:
    panel = _events(
        "Labels over their cap",
        "Usage events of the chosen time whose value of a label was counted under 'other'. Raise"
        " the cap in costmeter.yml, or look for ids among the values.",
        names.LABEL_OVERFLOW,
        "None",
        {"label": "Label"},
    )
    return alerts.told_by("CostLabelOverflow", panel)


def _events(title: str, text: str, family: names.Family, none: str, named: dict[str, str]) -> Any:
    """Return a table of how many events there were; ``none`` stands under the first name."""
    events = f"sum by ({', '.join(named)}) ({queries.gained(of(family))}) > 0"
    return panels.rows(
        title,
        text,
        [
            Column(
                "Events",
                queries.otherwise(events, next(iter(named)), none, CHOSEN.known),
                units.WHOLE,
                words={"0": panels.NONE},
            )
        ],
        named=named,
        nothing="Not known",
    )


def _age() -> Any:
    panel = panels.lines(
        "Age of the prices, by sidecar",
        "Since the prices in use were last confirmed by their source. They stay in use when it is"
        " out of reach.",
        [Query(f"time() - {of(names.CATALOGUE_TIMESTAMP)}", "{{instance}}")],
        units.SPAN,
    )
    return alerts.told_by("CostPricesStale", panel)
