"""Prices and labels: what has no price, how fresh prices are, and which labels overflow."""

from __future__ import annotations

from typing import Any

from costmeter import names
from dashboards.src import alerts, colours, panels, queries, units
from dashboards.src.itself.chosen import KNOWN, of
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Query


def section() -> Section:
    """Return the section."""
    return Section(
        "Prices and labels",
        [Line(7, [(8, _unpriced()), (5, _overflow()), (6, _age()), (5, _refreshes())])],
    )


def _unpriced() -> Any:
    events = f"sum by (provider, model, reason) ({queries.gained(of(names.UNPRICED_EVENTS))}) > 0"
    panel = panels.rows(
        "Usage without a price, by model",
        "Usage events of the chosen time that could not be priced: no_price, the catalogue does not"
        " know the model; no_usage, the call did not tell what it used.",
        [
            Column(
                "Events",
                queries.otherwise(events, "model", "Everything has a price", KNOWN),
                units.WHOLE,
                words={"0": panels.NONE},
            )
        ],
        named={"provider": "Provider", "model": "Model", "reason": "Reason"},
        nothing="Not known",
    )
    return alerts.told_by("CostUsageUnpriced", panel)


def _overflow() -> Any:
    events = f"sum by (label) ({queries.gained(of(names.LABEL_OVERFLOW))}) > 0"
    panel = panels.rows(
        "Labels over their cap",
        "Usage events of the chosen time whose value of a label was counted under 'other'. Raise"
        " the cap in costmeter.yml, or look for ids among the values.",
        [
            Column(
                "Events",
                queries.otherwise(events, "label", "None", KNOWN),
                units.WHOLE,
                words={"0": panels.NONE},
            )
        ],
        named={"label": "Label"},
        nothing="Not known",
    )
    return alerts.told_by("CostLabelOverflow", panel)


def _age() -> Any:
    panel = panels.lines(
        "Age of the prices, by sidecar",
        "Since the prices in use were last confirmed by their source. They stay in use when it is"
        " out of reach.",
        [Query(f"time() - {of(names.CATALOGUE_TIMESTAMP)}", "{{instance}}")],
        units.SECONDS,
    )
    return alerts.told_by("CostPricesStale", panel)


def _refreshes() -> Any:
    attempts = f"increase({of(names.CATALOGUE_REFRESHES)}[$__interval] offset -$__interval)"
    panel = panels.bars(
        "Refreshes of prices",
        "Attempts to refresh prices in the time that each bar spans, by outcome.",
        [Query(f"sum by (outcome) ({attempts})", panels.AUTO)],
        units.COUNT,
        fixed={"success": colours.SKY, "error": colours.VERMILION},
    )
    return alerts.told_by("CostPricesStale", panel)
