"""``costmeter serve``: the sidecar exporter."""

from __future__ import annotations

import logging
from functools import partial
from typing import Annotated

import typer

from costmeter.cli.options import ConfigFile, JournalDirectory, LedgerFile, Listen, WebConfigFile
from costmeter.sidecar import config as configuration
from costmeter.sidecar import serve as server
from costmeter.sidecar.web import WebConfig


def serve(
    config: ConfigFile = None,
    journal: JournalDirectory = None,
    ledger: LedgerFile = None,
    listen: Listen = None,
    drain_timeout: Annotated[
        str | None,
        typer.Option(help="How long a stop waits for the last scrape, at most, such as 45s."),
    ] = None,
    web_config_file: WebConfigFile = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the exporter: read the journal, keep the ledger, serve /metrics."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    load = partial(
        configuration.load,
        config,
        journal=journal,
        ledger=ledger,
        listen=listen,
        drain_timeout=drain_timeout,
    )
    server.serve(load, WebConfig(web_config_file))
