"""Budgets: how much is used, will it last, and who is told; all at a glance, and one in depth."""

from __future__ import annotations

from dashboards.src import variables
from dashboards.src.budgets import gate, glance, one
from dashboards.src.page import page


def budgets() -> str:
    """Return the dashboard's JSON."""
    return page(
        "budgets",
        "costmeter / Budgets",
        "What may be spent: how much of it is used, will it last, and what is done about it?",
        [
            *variables.everywhere(narrowing=False),
            variables.budget(),
            variables.window(),
            variables.age(),
        ],
        [glance.section(), one.section(), gate.section()],
    )
