"""The command ``costmeter``."""

from __future__ import annotations

import sys

import typer

from costmeter.cli.alerts import alerts
from costmeter.cli.budget import budget
from costmeter.cli.check import check
from costmeter.cli.estimate import estimate
from costmeter.cli.pricing import pricing
from costmeter.cli.reprice import reprice
from costmeter.cli.run import run
from costmeter.cli.serve import serve
from costmeter.cli.spend import spend
from costmeter.cli.token import token
from costmeter.errors import CostmeterError

app = typer.Typer(
    name="costmeter",
    help="What AI workloads cost: live, in Prometheus, to the cent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (serve, check, pricing, estimate, spend, reprice, alerts, token):
    app.command()(command)
app.add_typer(budget, name="budget")
# What follows the command is its own, options too.
app.command(context_settings={"allow_interspersed_args": False})(run)


def main() -> None:
    """Run the command line; an error of costmeter is told in its own words and exits with 2."""
    try:
        app()
    except CostmeterError as error:
        print(error, file=sys.stderr)  # noqa: T201 the command line's own output
        raise SystemExit(2) from None
