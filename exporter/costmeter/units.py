"""Money and time in the units they are kept in: integers of nano-dollars and nanoseconds."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

NANO: Final = 1_000_000_000
"""Nano-dollars in a US dollar, nanoseconds in a second."""

QUARTER_SECONDS: Final = 900
"""Seconds in a quarter of an hour, the ledger's grain: any time zone's day is a sum of quarters."""

GIB: Final = 1 << 30
"""Bytes in a gibibyte."""


_MOST_DIGITS: Final = 18


def usd_to_nano(usd: Decimal | float | str) -> int:
    """Return an amount of US dollars in nano-dollars, rounded half to even.

    A float counts as the decimal number it prints as, so ``0.1`` is 100,000,000 nano-dollars.

    Raises:
        ValueError: the amount is no finite number, or one of more than 18 digits.
    """
    amount = usd if isinstance(usd, Decimal) else Decimal(str(usd))
    if not amount.is_finite():
        raise ValueError(f"{usd!r} is not a finite amount of US dollars")
    if amount.adjusted() >= _MOST_DIGITS:  # 1e999999 would be worked out for minutes
        raise ValueError(f"{usd!r} has more than {_MOST_DIGITS} digits of US dollars")
    return int((amount * NANO).to_integral_value(ROUND_HALF_EVEN))


def nano_to_usd(nano: int) -> Decimal:
    """Return nano-dollars as an exact amount of US dollars."""
    return Decimal(nano).scaleb(-9)


def quarter(time_ns: int) -> int:
    """Return the number of the quarter of an hour since 1970 (UTC) that an instant falls in."""
    return time_ns // (QUARTER_SECONDS * NANO)
