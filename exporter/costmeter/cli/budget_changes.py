"""``costmeter budget remove``, ``emergency`` and ``audit``: through the exporter's API."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from costmeter.cli.api import DEFAULT_URL, Api, path_of
from costmeter.cli.cells import shown
from costmeter.cli.options import AsJson, Since, Url

Name = Annotated[str, typer.Argument(help="The budget's name.", show_default=False)]


class Switch(StrEnum):
    """Whether a budget is to be in emergency."""

    ON = "on"
    OFF = "off"


def remove(name: Name, url: Url = DEFAULT_URL) -> None:
    """Remove a budget that was made over the API; the token is that of COSTMETER_TOKEN."""
    Api(url).ask("DELETE", path_of("budgets", name))
    typer.echo(f"removed {name!r}")


def emergency(name: Name, switch: Switch, url: Url = DEFAULT_URL) -> None:
    """Put a budget in emergency, or take it out whatever put it there."""
    method = "PUT" if switch is Switch.ON else "DELETE"
    Api(url).ask(method, path_of("emergencies", name))
    typer.echo(f"{name!r} is {'in' if switch is Switch.ON else 'out of'} emergency")


def audit(
    budget: Annotated[str, typer.Option(help="The changes of this budget only.")] = "",
    since: Since = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Tell who changed which budget, when and how: the last 1,000 changes."""
    asked = {"budget": budget} if budget else {}
    if since is not None:
        asked["since"] = f"{int(since.total_seconds())}s"
    changes: list[dict[str, Any]] = Api(url).ask("GET", "/v1/audit", params=asked).json()["changes"]
    if as_json:
        typer.echo(json.dumps(changes, indent=2, ensure_ascii=False))
        return
    time, what = Column("time", no_wrap=True), Column("what", no_wrap=True)
    table = Table(time, "who", "budget", what, "before", "after")
    for each in changes:
        who = each["who"] or ("costmeter.yml" if each["source"] == "file" else "anyone")
        cells = [
            each["time"][:19],
            f"{who} (alert)" if each["source"] == "alert" else who,
            each["budget"],
            each["subject"],
            _brief(each["before"]),
            _brief(each["after"]),
        ]
        table.add_row(*map(shown, cells))
    Console().print(table)


def _brief(document: dict[str, Any] | None) -> str:
    """Return a budget as JSON without the name, which stands beside it."""
    if document is None:
        return "-"
    kept = {key: value for key, value in document.items() if key != "name"}
    return json.dumps(kept, ensure_ascii=False)
