"""Units and decimals: an amount is written in one way wherever it stands."""

from __future__ import annotations

from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit of Grafana's and how many digits follow the point; None leaves it to the value."""

    id: str
    decimals: int | None = None


USD: Final = Unit("currency:financial:$", 2)
"""US dollars to the cent: ``$1,234.50``. Not of what can be negative: that would be ``$-1.00``."""
USD_SMALL: Final = Unit("currency:financial:$", 5)
"""US dollars of a single call or of 1,000 tokens: ``$0.00042``."""
USD_CHANGE: Final = Unit("currencyUSD", 2)
"""More or less US dollars: ``-$12.50``."""
USD_AXIS: Final = Unit("currencyUSD")
"""US dollars on an axis, as many decimals as its ticks need."""
SHARE: Final = Unit("percentunit", 1)
"""A share of 1, shown in percent."""
CHANGE: Final = Unit("percentunit", 0)
"""A rise or fall as a share of what was."""
TIMES: Final = Unit("suffix:x", 2)
"""A multiple of what is meant: ``1.25 x``."""
COUNT: Final = Unit("short")
"""A count, shortened from a thousand on: ``12.3 K``."""
WHOLE: Final = Unit("none", 0)
"""A small count, written out."""
TO_CHECK: Final = Unit("suffix:to check", 0)
CORES: Final = Unit("suffix:cores", 2)
BYTES: Final = Unit("bytes", 1)
SECONDS: Final = Unit("s", 0)
SPAN: Final = Unit("s", 1)
"""Time that goes by: ``1.2 weeks``."""
DURATION: Final = Unit("s")
"""Seconds or parts of one, as many decimals as the value needs."""
