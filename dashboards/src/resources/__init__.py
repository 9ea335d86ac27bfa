"""Resources: what CPU and memory are used, what they cost, and what of them idles."""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.page import page
from dashboards.src.resources import now, over_time, spend


def resources() -> str:
    """Return the dashboard's JSON."""
    return page(
        "resources",
        "costmeter / Resources",
        "CPU and memory: what is used, what it costs, and what is set aside and idles.",
        [*variables.everywhere(), variables.resource()],
        [now.section(), over_time.section(), spend.section()],
    )
