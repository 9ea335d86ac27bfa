"""Labels as they may be shown: who sends them steers neither a terminal nor a spreadsheet."""

from __future__ import annotations

from typing import Final

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
