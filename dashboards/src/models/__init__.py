"""Models and providers side by side: what do they cost, how fast are they, what fails?"""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.models import compared, speed, trend
from dashboards.src.page import page


def models() -> str:
    """Return the dashboard's JSON."""
    return page(
        "models",
        "costmeter / Models and providers",
        "Models and providers side by side: what do they cost, how fast are they, what fails?",
        [*variables.everywhere(), variables.side_by_side()],
        [compared.section(), trend.section(), speed.section()],
    )
