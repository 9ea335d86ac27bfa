"""costmeter itself: whether it counts everything, in time, and at prices that hold."""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.itself import events, pricing, sidecars, trust
from dashboards.src.page import page


def itself() -> str:
    """Return the dashboard's JSON."""
    return page(
        "itself",
        "costmeter / Itself",
        "Whether everything is counted, in time, and at prices that hold; and what to do if not.",
        [*variables.everywhere(narrowing=False), variables.instance()],
        [trust.section(), events.section(), pricing.section(), sidecars.section()],
    )
