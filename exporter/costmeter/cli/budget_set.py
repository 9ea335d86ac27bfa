"""``costmeter budget set``: make a budget, or change one, through the exporter's API."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from costmeter.cli.api import DEFAULT_URL, Api, RefusedError, path_of
from costmeter.cli.budget_changes import Name
from costmeter.cli.options import Url

Usd = Annotated[str | None, typer.Option(metavar="USD", show_default=False)]
Text = Annotated[str | None, typer.Option(show_default=False)]


def set_budget(
    name: Name,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=GLOB", help="What it counts; several may be given."),
    ] = None,
    day_soft: Usd = None,
    day_hard: Usd = None,
    day_rollover: Usd = None,
    week_soft: Usd = None,
    week_hard: Usd = None,
    week_rollover: Usd = None,
    month_soft: Usd = None,
    month_hard: Usd = None,
    month_rollover: Usd = None,
    owner: Text = None,
    timezone: Text = None,
    policy: Annotated[str | None, typer.Option(help="warn, soft or hard.")] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Shares of the soft limit, separated by commas.")
    ] = None,
    emergency_ratio: Annotated[
        str | None, typer.Option(help="Share of the soft limit from which it is in emergency.")
    ] = None,
    degrade: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=CHEAPER", help="A cheaper model; several may be given."),
    ] = None,
    degrade_from: Annotated[
        str | None, typer.Option(help="Share of the soft limit from which these are used.")
    ] = None,
    degrade_emergency: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="What is used in emergency; several may be given."),
    ] = None,
    degrade_automatic: Annotated[
        bool | None,
        typer.Option(help="Whether instrumented calls are switched.", show_default=False),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a budget that costmeter.yml does not name, or change one that was made so.

    What is not given stays as it is. The token is that of COSTMETER_TOKEN.
    """
    api, path = Api(url), path_of("budgets", name)
    budget, precondition = _current(api, path)
    if match is not None:
        budget["match"] = dict(_pair(each, "--match", "LABEL=GLOB") for each in match)
    budget |= _given(owner=owner, timezone=timezone, policy=policy, emergency_ratio=emergency_ratio)
    if thresholds is not None:
        budget["thresholds"] = [each.strip() for each in thresholds.split(",")]
    for window, limits in (
        ("day", (day_soft, day_hard, day_rollover)),
        ("week", (week_soft, week_hard, week_rollover)),
        ("month", (month_soft, month_hard, month_rollover)),
    ):
        soft, hard, rollover = limits
        _change(budget, window, _given(soft_usd=soft, hard_usd=hard, rollover_max_usd=rollover))
    _change(
        budget,
        "degrade",
        _given(
            models=degrade and dict(_pair(each, "--degrade", "MODEL=CHEAPER") for each in degrade),
            from_ratio=degrade_from,
            emergency=degrade_emergency,
            automatic=degrade_automatic,
        ),
    )
    answer = api.ask("PUT", path, body=budget, headers=precondition)
    typer.echo(json.dumps(answer.json()["budget"], indent=2, ensure_ascii=False))


def _current(api: Api, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a budget as it is, and what has its change fail where somebody is faster."""
    try:
        answer = api.ask("GET", path)
    except RefusedError as error:
        if error.status != 404:
            raise
        return {}, {"if-none-match": "*"}
    found = answer.json()
    if found["source"] == "built-in":
        return {}, {"if-none-match": "*"}
    return found["budget"], {"if-match": answer.headers["etag"]}


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _change(budget: dict[str, Any], section: str, given: dict[str, object]) -> None:
    if given:
        budget[section] = budget.get(section, {}) | given


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return name, value
