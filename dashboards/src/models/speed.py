"""How long calls take, how long streams keep one waiting, and how many fail, by the minute."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Query
from dashboards.src.queries import CALLS, FAILED, RETRIES, gained_ahead

CHOSEN: Final = 'provider=~"$provider", model=~"$model"'
TEXT: Final = (
    f" within five minutes, by model: the {queries.STACKED} called most. Of all jobs, features"
    " and teams."
)
WAITING: Final = (
    "of streamed calls, from the start of the call to the first chunk of its answer, that came"
)


def section() -> Section:
    """Return the section."""
    duration, first = names.API_CALL_DURATION.name, names.TIME_TO_FIRST_TOKEN.name
    return Section(
        "Speed and failures",
        [
            Line(8, [
                (12, _lines("P50 of a call", "Half were faster, of calls that ended" + TEXT,
                            _quantile(duration, 50))),
                (12, _lines("P95 of a call", "95 of 100 were faster, of calls that ended" + TEXT,
                            _quantile(duration, 95))),
            ]),
            Line(8, [
                (12, _lines("P50 to the first token", f"Half were faster, {WAITING}{TEXT}",
                            _quantile(first, 50), nothing="No streams")),
                (12, _lines("P95 to the first token", f"95 of 100 were faster, {WAITING}{TEXT}",
                            _quantile(first, 95), nothing="No streams")),
            ]),
            Line(8, [(12, _failed()), (12, _retries())]),
        ],
    )  # fmt: skip


def _quantile(family: str, percent: int) -> str:
    return f"provider_model:{family}:p{percent}_rate5m"


def _lines(title: str, text: str, rule: str, *, nothing: str = "No calls") -> Any:
    of = f"max by (model) ({rule}{{{CHOSEN}}}) >= 0"
    return panels.lines(
        title,
        text,
        [Query(f"{of} and on (model) {queries.busiest('model')}", "{{model}}")],
        units.DURATION,
        nothing=nothing,
    )


def _failed() -> Any:
    calls, failed = (gained_ahead(each, label="model") for each in (CALLS, FAILED))
    either = f"({failed} or {calls} * 0)"  # where none ever failed, nobody counts failures
    share = queries.ratio_over_time("model", either, calls, queries.busiest("model"))
    return panels.lines(
        "Share of calls that failed",
        "Of the calls in the time from each point to the next, those that did not end well, by"
        f" model: the {queries.STACKED} called most.",
        [Query(share, AUTO)],
        units.SHARE,
        nothing="No calls",
        points=panels.MEANS,
    )


def _retries() -> Any:
    return panels.bars(
        "Retries over time by error",
        "Attempts that failed and that an SDK made again by itself, in the time that each bar"
        " spans: part of how long calls take, and no calls of their own. Of all features and"
        " teams.",
        [Query(queries.by("status", gained_ahead(RETRIES, label="status")), AUTO)],
        units.COUNT,
        nothing="No retries",
    )
