"""``costmeter budget status``: how all budgets stand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from costmeter.budgets.forecast import DAY_NS
from costmeter.budgets.period import Period
from costmeter.budgets.reading import Reading, read
from costmeter.budgets.rollover import Step
from costmeter.budgets.status import State, Status, statuses
from costmeter.cli.cells import days, exact_usd, shown, usd
from costmeter.cli.options import AsJson, ConfigFile, LedgerFile
from costmeter.clock import SYSTEM_CLOCK
from costmeter.errors import CostmeterError
from costmeter.sidecar import config as configuration
from costmeter.sidecar.budget_book import budgets_in_force
from costmeter.sidecar.config import Config
from costmeter.units import NANO

_STYLE = {
    State.WITHIN: "",
    State.THRESHOLD: "yellow",
    State.SOFT_LIMIT: "red",
    State.HARD_LIMIT: "bold red",
}


def status(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these budgets.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell how budgets stand: used, limits, pace, where they will end, what they inherited.

    As the ledger has it now; where several exporters share a budget, each ledger has its part.
    """
    settings = configuration.load(config, ledger=ledger)
    now_ns = SYSTEM_CLOCK.now_ns()
    found = [
        each
        for reading in read_budgets(settings, now_ns, names or ())
        for each in statuses(reading, now_ns)
    ]
    if as_json:
        typer.echo(json.dumps([_document(each) for each in found], indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(found))
    for each in found:
        if each.inheritance:
            console.print(_explained(each))


def read_budgets(settings: Config, now_ns: int, names: Sequence[str] = ()) -> list[Reading]:
    """Return what was spent of the configured budgets, or of some of them.

    Raises:
        CostmeterError: there is no such budget.
        LedgerError: the ledger cannot be read.
    """
    budgets = budgets_in_force(settings)
    unknown = sorted(set(names) - {each.name for each in budgets})
    if unknown:
        there = ", ".join(each.name for each in budgets)
        raise CostmeterError(f"no budget {', '.join(map(repr, unknown))}, there are {there}")
    wanted = [each for each in budgets if not names or each.name in names]
    return read(settings.ledger, wanted, now_ns)


def _table(found: Iterable[Status]) -> Table:
    table = Table(padding=0, caption="amounts in USD", caption_justify="left")  # fits 80 columns
    table.add_column("budget", overflow="fold", min_width=8)
    table.add_column("period", no_wrap=True)
    for name in ("spent", "soft", "hard", "used", "forecast", "days left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", min_width=10)
    for each in found:
        table.add_row(
            shown(each.budget.name),
            each.period.key,
            usd(each.spent),
            usd(each.soft),
            usd(each.hard),
            "" if each.used is None else f"{each.used:.0%}",
            usd(each.end),
            days(each.lasts_ns),
            Text("" if each.limits is None else each.state.replace("_", " "), _STYLE[each.state]),
        )
    return table


def _explained(each: Status) -> Text:
    def part(period: Period, step: Step) -> str:
        used = f"{period.key} had {usd(step.limit)}, spent {usd(step.spent)}"
        return f"{used}, passed on {usd(step.passed_on)}"

    chain = "; ".join(part(*closed) for closed in each.inheritance)
    text = shown(each.budget.name)
    return text.append(f", {each.period.key}: inherited {usd(each.inherited)} USD: {chain}")


def _document(each: Status) -> dict[str, Any]:
    forecast = each.forecast
    return {
        "budget": each.budget.name,
        "owner": each.budget.owner,
        "policy": each.budget.policy,
        "window": each.period.window,
        "period": each.period.key,
        "start": _instant(each.period.start_ns),
        "end": _instant(each.period.end_ns),
        "state": each.state if each.limits else None,
        "spent_usd": exact_usd(each.spent),
        "soft_limit_usd": exact_usd(each.soft),
        "hard_limit_usd": exact_usd(each.hard),
        "used_ratio": each.used,
        "pace_ratio": each.pace,
        "daily_usd": exact_usd(each.daily),
        "days_left": None if each.lasts_ns is None else each.lasts_ns / DAY_NS,
        "forecast_usd": exact_usd(each.end),
        "forecast_method": forecast and forecast.method,
        "forecast_weeks": forecast and forecast.weeks,
        "inherited_usd": exact_usd(each.inherited),
        "inheritance": [
            {
                "period": period.key,
                "soft_limit_usd": exact_usd(step.limit),
                "spent_usd": exact_usd(step.spent),
                "passed_on_usd": exact_usd(step.passed_on),
            }
            for period, step in each.inheritance
        ],
    }


def _instant(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NANO, UTC).isoformat()
