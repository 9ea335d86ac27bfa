"""``costmeter pricing``: what a token costs, and what says so."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from costmeter.cli.cells import csv_cell
from costmeter.cli.options import ConfigFile, Format
from costmeter.errors import PricingError
from costmeter.names import TOKEN_TYPES
from costmeter.pricing.book import Listed, PriceBook
from costmeter.sidecar import config as configuration
from costmeter.units import NANO

At = Annotated[
    datetime | None,
    typer.Option(help="The instant whose prices hold, in UTC; now, where left out."),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Fetch the published prices first.")]


def pricing(
    *,
    config: ConfigFile = None,
    provider: Annotated[str, typer.Option(help="One provider only.")] = "",
    model: Annotated[
        str, typer.Option(help="Models whose name contains this, or fits it as a pattern with *.")
    ] = "",
    at: At = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    refresh: Refresh = False,
) -> None:
    """List prices in US dollars per million tokens, and what each comes from."""
    book = open_book(config, refresh=refresh)
    lines = find(book, provider, model, instant_ns(at))
    if not lines:
        raise PricingError(f"no price is known for provider {provider!r} and model {model!r}")
    {Format.TABLE: _table, Format.JSON: _json, Format.CSV: _csv}[output](lines)


def open_book(config: ConfigFile, *, refresh: bool) -> PriceBook:
    """Return the price book that a configuration describes, its prices fetched where asked for."""
    book = PriceBook(configuration.load(config).kept_prices)
    if refresh and not book.refresh():
        typer.echo(f"prices could not be fetched: {book.problem}", err=True)
    return book


def instant_ns(at: datetime | None) -> int:
    """Return an instant without a zone, which is in UTC, in nanoseconds since 1970."""
    instant = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    return int(instant.timestamp()) * NANO


def find(book: PriceBook, provider: str, model: str, at_ns: int) -> list[Listed]:
    """Return the lines that are asked for, by provider and model."""
    if provider and model and (line := book.line(provider, model, at_ns)):
        return [line]
    pattern = model.lower() if "*" in model else f"*{model.lower()}*"
    lines = book.listed(at_ns, provider)
    return sorted(line for line in lines if fnmatchcase(line.model, pattern))


def _table(lines: Sequence[Listed]) -> None:
    types = [kind for kind in TOKEN_TYPES if any(_cell(line, kind) for line in lines)]
    table = Table("provider", "model", *(kind.replace("_", " ") for kind in types), box=SIMPLE)
    table.columns[1].overflow = "fold"
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "right", True
    sources = [re.split("[ :]", line.price)[0] for line in lines]
    if len(set(sources)) > 1:
        table.add_column("from")
    for line, source in zip(lines, sources, strict=True):
        cells = [line.provider, line.model, *(_cell(line, kind) for kind in types), source]
        table.add_row(*cells[: len(table.columns)])
    console = Console()
    console.print(table)
    note = "USD per million tokens" + (f", from {sources[0]}" if len(set(sources)) == 1 else "")
    if any(line.long_context_above for line in lines):
        note += "; + more where the input is long"
    console.print(note, highlight=False)


def _cell(line: Listed, kind: str) -> str:
    """Return a price as it is shown; nothing where it is no other than that of its direction."""
    price = line.usd_per_million.get(kind)
    parent = {"reasoning": "output", "cache_read": "input", "cache_write": "input"}.get(kind)
    if price is None or (parent and price == line.usd_per_million.get(parent)):
        return ""
    return f"{price.normalize():f}{'+' if line.long_context_above else ''}"


def _json(lines: Sequence[Listed]) -> None:
    document = [
        line._asdict() | {"usd_per_million": {k: float(v) for k, v in line.usd_per_million.items()}}
        for line in lines
    ]
    typer.echo(json.dumps(document, indent=2))


def _csv(lines: Sequence[Listed]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(("provider", "model", *TOKEN_TYPES, "long_context_above", "price"))
    for line in lines:
        prices = (line.usd_per_million.get(kind, "") for kind in TOKEN_TYPES)
        above = line.long_context_above or ""
        names = map(csv_cell, (line.provider, line.model))
        writer.writerow((*names, *prices, above, line.price))
