"""Write every dashboard: ``python -m dashboards.src [folder]``, by default where they belong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from dashboards.src.overview import overview

DASHBOARDS: Final = {"overview.json": overview}


def write(folder: Path) -> None:
    """Write every dashboard into a folder."""
    for name, make in DASHBOARDS.items():
        (folder / name).write_text(make(), encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
