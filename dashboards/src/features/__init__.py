"""Features and teams: who is charged how much, for what, and is it changing?"""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.features import charged, trend
from dashboards.src.page import page


def features() -> str:
    """Return the dashboard's JSON."""
    return page(
        "features",
        "costmeter / Features and teams",
        "Features and teams: who is charged how much, for what, and is it changing?",
        [*variables.everywhere(), variables.charged(), variables.comparison()],
        [charged.section(), trend.section()],
    )
