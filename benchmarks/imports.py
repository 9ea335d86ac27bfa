"""How long an application waits for what it imports, in interpreters of their own."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.table import Row, show

ROUNDS: Final = 9
TARGET: Final = 1.0
PEER: Final = "prometheus_client"
STATEMENTS: Final = {
    PEER: "import prometheus_client",
    "costmeter": "import costmeter",
    "costmeter, all that records": "from costmeter import attribute, record_llm, track",
    "costmeter, with instrument()": "from costmeter import instrument",
    "genai-prices": "import genai_prices",
}
EXPORTER: Final = Path(__file__).parents[1] / "exporter"


def import_ms(statement: str) -> float:
    """Return the CPU time that a statement takes in a new interpreter, in milliseconds."""
    code = (
        f"import time; began = time.process_time(); {statement}; print(time.process_time() - began)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(EXPORTER)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(run.stdout) * 1000


def main() -> None:
    """Measure and print a table."""
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():  # in turns: a slow moment meets all
            taken[name].append(import_ms(statement))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    rows = []
    for name, milliseconds in medians.items():
        ratio = milliseconds / medians[PEER]
        row = Row(name, f"{milliseconds:.1f} ms", f"{ratio:.2f} times")
        if name.startswith("costmeter"):
            row = row._replace(target=f"≤ {TARGET:.0f} times", met=ratio <= TARGET)
        rows.append(row)
    show("Importing the application's side", rows)


if __name__ == "__main__":
    main()
