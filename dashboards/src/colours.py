"""What a colour means, on every dashboard.

Colours that people with any kind of colour blindness can tell apart, with a grey dark enough not to
be taken for the purple. Where the series are always the same, their colours are. Where they are not
(models, teams), Grafana's palette is used, for few series at a time, and a list beside the chart
says the same without colour. Orange and vermilion are kept for what needs somebody.

Source: Okabe and Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from typing import Final

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
PURPLE: Final = "#CC79A7"
GREY: Final = "#6A6A6A"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"

MONEY: Final = BLUE
"""Money as such, where nothing else tells two amounts apart."""
FINE: Final = "text"
"""A state that needs nobody: plain text, so that what does need somebody stands out."""
LOOK: Final = ORANGE
"""A state to look at today."""
ACT: Final = VERMILION
"""A state to act upon now."""

REST: Final = GREY
"""All that a chart does not tell apart."""

CALLS: Final = {"answered": SKY, "failed": VERMILION}
UNIT_COSTS: Final = {"a call": BLUE, "1,000 tokens": SKY}
TOKENS: Final = {
    "input": BLUE,
    "cache read": SKY,
    "cache write": YELLOW,
    "output": GREEN,
    "reasoning": PURPLE,
    "audio and images": GREY,
}
