"""``costmeter budget forecast``: where periods will end, and what days ahead will cost."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from costmeter.budgets.forecast import DAY_NS, Forecast, Method
from costmeter.budgets.forecast import forecast as ahead
from costmeter.budgets.status import Status, history, statuses
from costmeter.cli.budget_status import read_budgets
from costmeter.cli.cells import days, exact_usd, usd
from costmeter.cli.options import AsJson, ConfigFile, LedgerFile
from costmeter.clock import SYSTEM_CLOCK
from costmeter.sidecar import config as configuration

_METHODS = {
    Method.ELAPSED: "by the rate so far",
    Method.WEEK: "by the rate of the last 7 days",
    Method.SAME_HOURS: "by the same hours of past weeks",
}


def forecast(
    name: Annotated[str, typer.Argument(help="The budget; 'all' is all spend.")] = "all",
    days_ahead: Annotated[
        int, typer.Option("--days", min=1, max=366, help="How many days to look ahead.")
    ] = 30,
    as_json: AsJson = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell where a budget's periods will end, what a day costs, and how long the rest lasts."""
    now_ns = SYSTEM_CLOCK.now_ns()
    settings = configuration.load(config, ledger=ledger)
    (reading,) = read_budgets(settings, now_ns, [name])
    found = list(statuses(reading, now_ns))
    past = history(reading, now_ns)
    more = ahead(past, "month", past.since_ns, now_ns + days_ahead * DAY_NS)
    if as_json:
        document = {
            "budget": name,
            "daily_usd": exact_usd(past.daily),
            "days": days_ahead,
            "cost_usd": exact_usd(more and more.more),
            "method": more and more.method,
            "weeks": more and more.weeks,
            "periods": [_document(each) for each in found],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(found))
    whole = now_ns - past.since_ns >= DAY_NS
    day = "the last 24 hours cost" if whole else "at the rate so far, a day costs"
    console.print(f"{day} {usd(past.daily)} USD", highlight=False)
    told = "too early to tell" if more is None else f"{usd(more.more)} USD, {_method(more)}"
    console.print(f"the next {days_ahead} days: {told}", highlight=False)


def _table(found: list[Status]) -> Table:
    table = Table("period", caption="amounts in USD", caption_justify="left")
    for column in ("spent", "soft", "hard", "will end at", "days left"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("worked out")
    for each in found:
        how = "too early to tell" if each.forecast is None else _method(each.forecast)
        table.add_row(
            each.period.key,
            usd(each.spent),
            usd(each.soft),
            usd(each.hard),
            usd(each.end),
            days(each.lasts_ns),
            how,
        )
    return table


def _method(found: Forecast) -> str:
    weeks = f" ({found.weeks})" if found.method is Method.SAME_HOURS else ""
    return _METHODS[found.method] + weeks


def _document(each: Status) -> dict[str, object]:
    return {
        "window": each.period.window,
        "period": each.period.key,
        "spent_usd": exact_usd(each.spent),
        "soft_limit_usd": exact_usd(each.soft),
        "hard_limit_usd": exact_usd(each.hard),
        "forecast_usd": exact_usd(each.end),
        "method": each.forecast and each.forecast.method,
        "weeks": each.forecast and each.forecast.weeks,
        "days_left": None if each.lasts_ns is None else each.lasts_ns / DAY_NS,
    }
