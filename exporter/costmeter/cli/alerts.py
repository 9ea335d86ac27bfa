"""``costmeter alerts`` and ``costmeter budget alerts``: what Alertmanager told of lately."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from costmeter.cli.cells import shown
from costmeter.cli.options import AsJson, ConfigFile, LedgerFile, Since
from costmeter.clock import SYSTEM_CLOCK, rfc3339
from costmeter.ledger import alerts as kept
from costmeter.ledger.alerts import MAX_ALERTS, Alert
from costmeter.sidecar import config as configuration
from costmeter.sidecar.config import Config
from costmeter.units import NANO

DAY: Final = timedelta(days=1)


def alerts(
    since: Since = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell which alerts fire, and which were told of lately (24h unless --since says)."""
    _print(_recent(configuration.load(config, ledger=ledger), since), as_json=as_json)


def budget_alerts(
    budget: Annotated[str, typer.Option(help="The alerts of this budget only.")] = "",
    since: Since = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell which alerts of budgets fire, and which were told of lately (24h or --since)."""
    recent = _recent(configuration.load(config, ledger=ledger), since)
    found = [
        each for each in recent if "budget" in each.labels and budget in {"", each.labels["budget"]}
    ]
    _print(found, as_json=as_json)


def _recent(settings: Config, since: timedelta | None) -> list[Alert]:
    back_ns = int((DAY if since is None else since).total_seconds()) * NANO
    return kept.recent(settings.ledger, SYSTEM_CLOCK.now_ns() - back_ns, limit=MAX_ALERTS)


def _print(found: list[Alert], *, as_json: bool) -> None:
    if as_json:
        documents = [each.document for each in found]
        typer.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    if not found:
        typer.echo("no alert fires, and none was told of")
        return
    since, until = Column("since", no_wrap=True), Column("until", no_wrap=True)
    table = Table(since, until, "severity", "alert", "budget", "what")
    for each in found:
        cells = [
            rfc3339(each.starts_ns)[:19],
            "fires" if each.ends_ns is None else rfc3339(each.ends_ns)[:19],
            each.labels.get("severity", "-"),
            each.name or "-",
            each.labels.get("budget", "-"),
            each.annotations.get("summary", ""),
        ]
        table.add_row(*map(shown, cells))
    Console().print(table)
