"""``costmeter spend``: what the ledger holds, by window and label."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from costmeter.cli.cells import csv_cell, printable
from costmeter.cli.options import ConfigFile, Format, LedgerFile
from costmeter.ledger import query
from costmeter.ledger.query import Caveats, SpendRow
from costmeter.sidecar import config as configuration
from costmeter.units import nano_to_usd


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a date (2026-11-22) nor a time (2026-11-22T13:45)"
        ) from None


def spend(
    by: Annotated[
        str,
        typer.Option(
            help="Windows (hour, day, week, month), labels and 'component', separated by commas; "
            "empty for the total alone."
        ),
    ] = "day,model",
    since: Annotated[
        datetime | None,
        typer.Option(parser=_instant, metavar="TIME", help="The first day or time that counts."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=_instant, metavar="TIME", help="The first that no longer counts."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Time zone of the days, such as Europe/Berlin.  [default: configured]"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=VALUE", help="Only what has this label; several may be given."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    config: ConfigFile = None,
    ledger: LedgerFile = None,
) -> None:
    """Tell what was spent: credit taken off, to the nano-dollar, as the ledger has it now."""
    settings = configuration.load(config, ledger=ledger)
    names = [name.strip() for name in by.split(",") if name.strip()]
    zone = timezone or str(settings.timezone)
    wanted = dict(_pair(each) for each in where or ())
    rows = query.spend(
        settings.ledger, by=names, start=since, end=until, timezone=zone, where=wanted
    )
    caveats = query.caveats(settings.ledger, start=since, end=until, timezone=zone, where=wanted)
    match form:
        case Format.TABLE:
            Console().print(_table(names, rows))
        case Format.JSON:
            typer.echo(_json(names, rows, caveats))
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow([*names, "cost_usd", "calls", "tokens"])
            writer.writerows(
                [*map(csv_cell, row.key), _usd(row.cost_nano_usd), *row[2:]] for row in rows
            )
    if form is not Format.JSON:
        _tell(caveats)


def _tell(caveats: Caveats) -> None:
    """Say what is to be known of the figures, beside them."""
    if caveats.unpriced:
        typer.echo(
            f"events without a price, not in these figures: {caveats.unpriced:,}; "
            "'costmeter reprice' prices them once there is one",
            err=True,
        )
    if caveats.estimated:
        typer.echo(
            f"events in these figures whose tokens were counted, not told: {caveats.estimated:,}; "
            "their cost is an estimate",
            err=True,
        )


def _pair(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not LABEL=VALUE", param_hint="--where")
    return label, value


def _table(names: Sequence[str], rows: Sequence[SpendRow]) -> Table:
    total = _total(names, rows)
    places = max(_places(row.cost_nano_usd) for row in (*rows, total))
    table = Table(show_footer=bool(names), footer_style="bold")
    for index, name in enumerate(names):
        table.add_column(name, "total" if index == 0 else "", overflow="fold")
    for name, value in zip(("USD", "calls", "tokens"), _figures(total, places), strict=True):
        table.add_column(name, value, justify="right", no_wrap=True)
    for row in rows if names else [total]:
        table.add_row(*map(_label, row.key), *_figures(row, places))
    return table


def _figures(row: SpendRow, places: int) -> list[str]:
    counts = ["" if count is None else f"{count:,}" for count in row[2:]]
    return [f"{nano_to_usd(row.cost_nano_usd):,.{places}f}", *counts]


def _label(value: str) -> Text:
    return Text(printable(value) or "-")


def _places(nano: int) -> int:
    """Return the decimals that an amount in US dollars needs, two at least."""
    return max(2, len(f"{abs(nano) % 10**9:09}".rstrip("0")))


def _total(names: Sequence[str], rows: Sequence[SpendRow]) -> SpendRow:
    calls = [row.calls for row in rows if row.calls is not None]
    tokens = [row.tokens for row in rows if row.tokens is not None]
    counted = len(calls) == len(rows)
    return SpendRow(
        ("",) * len(names),
        sum(row.cost_nano_usd for row in rows),
        sum(calls) if counted else None,
        sum(tokens) if counted else None,
    )


def _json(names: Sequence[str], rows: Sequence[SpendRow], caveats: Caveats) -> str:
    def fields(row: SpendRow) -> dict[str, object]:
        return {"cost_usd": _usd(row.cost_nano_usd), "calls": row.calls, "tokens": row.tokens}

    document = {
        "rows": [{**dict(zip(names, row.key, strict=True)), **fields(row)} for row in rows],
        "total": fields(_total(names, rows)),
        "unpriced_events": caveats.unpriced,
        "estimated_events": caveats.estimated,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _usd(nano: int) -> str:
    return f"{nano_to_usd(nano):f}"
