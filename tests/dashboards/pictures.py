"""Make the pictures of the dashboards in the documentation: ``python -m tests.dashboards.pictures``.

``DASHBOARD_RENDERER`` names the program that draws them. It is called as
``RENDERER DASHBOARD.json --prometheus URL --out FILE.png --width PIXELS --strict``, with
``--var=NAME=VALUE`` for what is chosen, and has to find nothing wrong with the dashboard.
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
    "overview.png": ("overview", slice(0, 2)),
    "overview-usage.png": ("overview", slice(2, 3)),
    "models.png": ("models", slice(0, 2)),
    "features.png": ("features", slice(0, 2)),
    "budgets.png": ("budgets", slice(0, 1)),
    "budgets-one.png": ("budgets", slice(1, 3)),
    "resources.png": ("resources", slice(0, 2)),
    "itself.png": ("itself", slice(0, 2)),
}
"""What is on each picture: some sections of a dashboard."""
CHOSEN: Final = {"budget": "enrichment", "window": "month"}
"""What is chosen where a dashboard shows one of many."""
LIMIT: Final = 300_000
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
            # the last rule to have a value: it needs those of many others
            rule = "budget:cost_exhaustion:seconds"
            while not server.query(rule, time.time()):
                time.sleep(5)
            for picture, (which, sections) in PICTURES.items():
                whole = BOARDS[f"{which}.json"]
                board = folder / "board.json"
                board.write_text(json.dumps(part(whole, sections)))
                out = IMAGES / picture
                command = [renderer, board, "--prometheus", server.url, "--out", out]
                variables = {one["name"] for one in whole["templating"]["list"]}
                command += [f"--var={key}={CHOSEN[key]}" for key in CHOSEN.keys() & variables]
                subprocess.run([*command, "--width", "1600", "--strict"], check=True)
                size = out.stat().st_size
                if size > LIMIT:
                    raise SystemExit(f"{out}: {size} bytes are more than {LIMIT}")


if __name__ == "__main__":
    main()
