"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
