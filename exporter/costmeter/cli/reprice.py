"""``costmeter reprice``: price what had no price when it was used."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from costmeter.cli.options import ConfigFile, LedgerFile
from costmeter.ledger.reprice import reprice as price_again
from costmeter.ledger.store import Ledger
from costmeter.pricing.book import PriceBook
from costmeter.sidecar import config as configuration
from costmeter.units import nano_to_usd


def reprice(config: ConfigFile = None, ledger: LedgerFile = None) -> None:
    """Price the events that had no price, now that there may be one.

    Each gets a correction of its own, which counts at the time of the event; nothing that stands
    in the ledger is changed. May run beside a running exporter, which takes the new totals over.
    """
    settings = configuration.load(config, ledger=ledger)
    book = PriceBook(settings.kept_prices)
    store = Ledger.open(settings.ledger, exclusive=False)
    try:
        outcome = price_again(store, book.tariff, settings.label_caps)
    finally:
        store.close()
    table = Table("provider", "model", "priced", "USD", "still unpriced")
    for column in table.columns[2:]:
        column.justify = "right"
    for (provider, model), found in sorted(outcome.items()):
        usd = f"{nano_to_usd(found.nano_usd):f}"
        table.add_row(provider, model, str(found.priced), usd, str(found.unpriced))
    if outcome:
        Console().print(table)
    else:
        typer.echo("no event is without a price")
