"""Make the pictures of the dashboards in the documentation: ``python -m tests.dashboards.pictures``.

``DASHBOARD_RENDERER`` names the program that draws them. It is called as
``RENDERER DASHBOARD.json --prometheus URL --out FILE.png --width PIXELS`` and has to find nothing
wrong with the dashboard.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.dashboards.boards import BOARDS
from tests.dashboards.demo import living

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
PICTURES: Final = {
    "overview.png": slice(0, 2),
    "overview-usage.png": slice(2, 4),
    "overview-health.png": slice(4, 5),
}
"""What is on each picture: sections of the overview."""
LIMIT: Final = 400_000
"""Bytes of a picture at most."""


def part(board: dict[str, Any], sections: slice) -> dict[str, Any]:
    """Return a dashboard with some of its sections only."""
    starts = [place for place, panel in enumerate(board["panels"]) if panel["type"] == "row"]
    wanted = [*starts, len(board["panels"])][sections.start : sections.stop + 1]
    return {**board, "panels": board["panels"][wanted[0] : wanted[-1]]}


def main() -> None:
    """Make them all."""
    renderer = os.environ.get("DASHBOARD_RENDERER")
    if not renderer:
        raise SystemExit("DASHBOARD_RENDERER is not set: it names the program that draws")
    with tempfile.TemporaryDirectory(prefix="costmeter-") as name:
        folder = Path(name)
        with living(folder) as server:
            # the last rule to have a value: it needs those of four other rules
            rule = "budget:cost_period_remaining:seconds"
            while not server.query(rule, time.time()):
                time.sleep(5)
            for picture, sections in PICTURES.items():
                board = folder / "board.json"
                board.write_text(json.dumps(part(BOARDS["overview.json"], sections)))
                out = IMAGES / picture
                command = [renderer, board, "--prometheus", server.url, "--out", out]
                subprocess.run([*command, "--width", "1600", "--strict"], check=True)
                size = out.stat().st_size
                if size > LIMIT:
                    raise SystemExit(f"{out}: {size} bytes are more than {LIMIT}")


if __name__ == "__main__":
    main()
