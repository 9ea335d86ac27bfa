"""``costmeter budget check``: would a spend stay within the budgets that it counts for?"""

from __future__ import annotations

import json
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from costmeter.budgets.status import State, Status, statuses
from costmeter.cli.budget_status import read_budgets
from costmeter.cli.cells import exact_usd, shown, usd
from costmeter.cli.options import AsJson, ConfigFile, LedgerFile
from costmeter.clock import SYSTEM_CLOCK
from costmeter.names import DIMENSIONS
from costmeter.sidecar import config as configuration
from costmeter.units import usd_to_nano

EXIT_CODES = {State.WITHIN: 0, State.THRESHOLD: 0, State.SOFT_LIMIT: 1, State.HARD_LIMIT: 2}
"""What a script is told; 2 also where nothing can be told."""

_MOST_USD = Decimal(10**9)

Label = Annotated[str, typer.Option(help="What the spend would be for.")]


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and 0 <= amount <= _MOST_USD):
        raise typer.BadParameter(f"{text!r} is no amount of US dollars, such as 0.50")
    return amount


def check(
    *,
    cost: Annotated[
        Decimal,
        typer.Option(parser=_amount, metavar="USD", help="What is to be spent, in US dollars."),
    ] = Decimal(0),
    provider: Label = "",
    model: Label = "",
    endpoint: Label = "",
    feature: Label = "",
    team: Label = "",
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=VALUE", help="Another label; several may be given."),
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell whether a spend stays within all budgets that it counts for; nothing is reserved.

    Exits with 0 where it stays below every limit, with 1 where it would reach a soft limit, with 2
    where it would reach a hard one or nothing can be told.
    """
    settings = configuration.load(config, ledger=ledger)
    labels = dict(zip(DIMENSIONS, (provider, model, endpoint, feature, team), strict=True))
    labels |= dict(_pair(each, settings.label_caps) for each in label or ())
    now_ns = SYSTEM_CLOCK.now_ns()
    more = usd_to_nano(cost)
    found = [
        each
        for reading in read_budgets(settings, now_ns)
        if reading.budget.covers(labels)
        for each in statuses(reading, now_ns)
        if each.limits
    ]
    code = max((EXIT_CODES[each.with_more(more)] for each in found), default=0)
    if as_json:
        document = {"exit_code": code, "budgets": [_document(each, more) for each in found]}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for each in found:
            typer.echo(_line(each, more))
        if not found:
            typer.echo("no budget with a limit counts such spend")
    raise typer.Exit(code)


def _pair(text: str, known: Collection[str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in known:
        allowed = f"LABEL=VALUE with a label of {', '.join(known)}"
        raise typer.BadParameter(f"{text!r} is not {allowed}", param_hint="--label")
    return name, value


def _line(each: Status, more: int) -> str:
    state = each.with_more(more)
    hard = state is State.HARD_LIMIT
    limit = each.hard if hard else each.soft
    verdict = f"would reach its {state.replace('_', ' ')}" if EXIT_CODES[state] else "within"
    return (
        f"{shown(each.budget.name)}, {each.period.key}: {verdict}: "
        f"{usd(each.spent)} + {usd(more)} of {usd(limit)} USD"
    )


def _document(each: Status, more: int) -> dict[str, object]:
    return {
        "budget": each.budget.name,
        "policy": each.budget.policy,
        "window": each.period.window,
        "period": each.period.key,
        "state": each.with_more(more),
        "spent_usd": exact_usd(each.spent),
        "cost_usd": exact_usd(more),
        "soft_limit_usd": exact_usd(each.soft),
        "hard_limit_usd": exact_usd(each.hard),
    }
