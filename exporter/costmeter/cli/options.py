"""Options that several commands share."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from costmeter.schema import Duration

_DURATION: Final = TypeAdapter(Duration)


class Format(StrEnum):
    """How a command prints its answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def _duration(text: str) -> timedelta:
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(
            f"{text!r} is not a length of time such as 24h, 7d or 1h30m"
        ) from None


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="COSTMETER_CONFIG", help="The configuration, costmeter.yml."),
]
JournalDirectory = Annotated[
    Path | None,
    typer.Option("--journal", envvar="COSTMETER_JOURNAL", help="Directory of the journal."),
]
LedgerFile = Annotated[
    Path | None,
    typer.Option("--ledger", envvar="COSTMETER_LEDGER", help="The ledger's database file."),
]
Listen = Annotated[
    str | None,
    typer.Option(envvar="COSTMETER_LISTEN", help="Address to listen on, host:port."),
]
WebConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--web.config.file",
        envvar="COSTMETER_WEB_CONFIG_FILE",
        help="TLS and basic auth, in the format of Prometheus's exporter-toolkit.",
    ),
]
Url = Annotated[
    str,
    typer.Option(envvar="COSTMETER_URL", help="Where the exporter is."),
]
Since = Annotated[
    timedelta | None,
    typer.Option(parser=_duration, metavar="TIME", help="How far back, such as 24h or 7d."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, money as decimal strings.")]
