"""The overview: what do we spend, on what, is it changing, and are the figures whole?"""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.overview import calendar, chosen, usage
from dashboards.src.page import page


def overview() -> str:
    """Return the dashboard's JSON."""
    return page(
        "overview",
        "costmeter / Overview",
        "What AI costs: how much, on what, is it changing, and are the figures whole?",
        [*variables.everywhere(), variables.grouping(), variables.comparison()],
        [calendar.section(), chosen.section(), usage.section()],
    )
