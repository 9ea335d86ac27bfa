"""What a colour means, on every dashboard.

Colours that people with any kind of colour blindness can tell apart; the grey is dark enough not to
be taken for the purple, the orange dark enough to be read on white. Orange and vermilion are kept
for what needs somebody. Where the names of series are not known beforehand (models, teams), they
take Grafana's first six colours in order of their names: the palette by name, which would hold on
to a name's colour, gives two names the same one too often. No colour speaks alone: a list beside
the chart says the same without.

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
ORANGE: Final = "#CC7F00"
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
UNIT_COSTS: Final = {"a call": BLUE, "1k tokens": SKY}
TOKENS: Final = {
    "input": BLUE,
    "cache read": SKY,
    "cache write": YELLOW,
    "output": GREEN,
    "reasoning": PURPLE,
    "audio and images": GREY,
}
