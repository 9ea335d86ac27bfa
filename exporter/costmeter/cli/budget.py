"""``costmeter budget``: how budgets stand, what would fit, where they will end."""

from __future__ import annotations

import typer

from costmeter.cli.alerts import budget_alerts
from costmeter.cli.budget_changes import audit, emergency, remove
from costmeter.cli.budget_check import check
from costmeter.cli.budget_forecast import forecast
from costmeter.cli.budget_set import set_budget
from costmeter.cli.budget_status import status

budget = typer.Typer(help="Budgets: how they stand, and what still fits.", no_args_is_help=True)
for command in (status, check, forecast, remove, emergency, audit):
    budget.command()(command)
budget.command("set")(set_budget)
budget.command("alerts")(budget_alerts)
