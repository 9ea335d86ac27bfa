"""``costmeter budget status``: how all budgets stand."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from costmeter.budgets.reading import read
from costmeter.cli.options import ConfigFile, LedgerFile
from costmeter.clock import SYSTEM_CLOCK
from costmeter.sidecar import config as configuration
from costmeter.units import nano_to_usd


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell how all budgets stand in their open periods."""
    settings = configuration.load(config, ledger=ledger)
    now_ns = SYSTEM_CLOCK.now_ns()
    rows = [
        {
            "budget": each.budget.name,
            "window": window,
            "spent_usd": f"{nano_to_usd(current.spend - current.credit):f}",
            "soft_usd": f"{nano_to_usd(limits.soft):f}",
        }
        for each in read(settings.ledger, settings.open_budgets, now_ns)
        for window, limits in each.spending.limits(now_ns)
        for current in (each.spending.current(window, now_ns),)
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("budget", "window", "spent USD", "limit USD")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
