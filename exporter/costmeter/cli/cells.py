"""What commands show: amounts, and labels, whose senders steer neither terminal nor spreadsheet."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from costmeter.budgets.forecast import DAY_NS
from costmeter.units import NANO, nano_to_usd

_FORMULA: Final = ("=", "+", "-", "@")


def printable(value: str) -> str:
    """Return a text with what cannot be printed escaped, as Python does it."""
    return value if value.isprintable() else repr(value)[1:-1]


def csv_cell(value: str) -> str:
    """Return a text for a cell of a CSV file, which a spreadsheet does not run as a formula.

    It has a ``'`` before it where it begins like one; tabs and line breaks are written out.
    Amounts are not to pass here.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    shown = printable(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def shown(value: str) -> Text:
    """Return a name from the configuration as it may be shown: it does not steer the terminal."""
    return Text(printable(value))


def usd(nano: int | None) -> str:
    """Return an amount as people read it, to the cent; nothing where there is none.

    Below a dollar it has up to four decimals: there a cent is more than a detail.
    """
    if nano is None:
        return ""
    if abs(nano) >= NANO:
        return f"{nano_to_usd(nano):,.2f}"
    whole, _, decimals = f"{nano_to_usd(nano):.4f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<2}"


def exact_usd(nano: int | None) -> str | None:
    """Return an amount as JSON has it, to the nano-dollar."""
    return None if nano is None else f"{nano_to_usd(nano):f}"


def days(lasts_ns: int | None) -> str:
    """Return a time in days; nothing where there is no end."""
    return "" if lasts_ns is None else f"{lasts_ns / DAY_NS:,.1f}"
