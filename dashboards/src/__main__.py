"""Write every dashboard: ``python -m dashboards.src [folder]``, by default where they belong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from dashboards.src.budgets import budgets
from dashboards.src.features import features
from dashboards.src.itself import itself
from dashboards.src.models import models
from dashboards.src.overview import overview
from dashboards.src.resources import resources

DASHBOARDS: Final = {
    "budgets.json": budgets,
    "features.json": features,
    "itself.json": itself,
    "models.json": models,
    "overview.json": overview,
    "resources.json": resources,
}


def write(folder: Path) -> None:
    """Write every dashboard into a folder."""
    for name, make in DASHBOARDS.items():
        (folder / name).write_text(make(), encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
