"""How a benchmark shows what it measured: ratio to a peer, target, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """A line of the table; what does not apply is left out."""

    name: str
    measured: str
    ratio: str = ""
    target: str = ""
    met: bool | None = None


def show(title: str, rows: Iterable[Row], note: str = "") -> None:
    """Print a table of measurements."""
    table = Table(title=title, caption=note or None, title_justify="left", caption_justify="left")
    table.add_column("what")
    for column in ("measured", "ratio", "target"):
        table.add_column(column, justify="right")
    table.add_column("met")
    for row in rows:
        met = "" if row.met is None else "[green]yes[/]" if row.met else "[red]no[/]"
        table.add_row(row.name, row.measured, row.ratio, row.target, met)
    Console(width=None if Console().is_terminal else 110).print(table)
