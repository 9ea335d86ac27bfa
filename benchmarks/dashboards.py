"""What each panel costs Prometheus: ``python -m benchmarks.dashboards [folder]``.

Ten thousand counters of five ledgers over thirty days, recorded as the rules do; of the series
two ends of which a query reads, the two hours before those ends. A panel takes what its queries
take together, in seconds of one core: so a busy machine measures the same.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from costmeter import names
from dashboards.src.queries import LATEST, SAMPLED, SEEN, SEEN_SAMPLED, SUMMED, WHOLE, WHOLE_SAMPLED
from tests.dashboards.boards import BOARDS, TARGETS
from tests.dashboards.boards import panels as panels_of
from tests.dashboards.recorded import BARS
from tests.dashboards.server import Prometheus, prometheus

LEDGERS, COMBINATIONS = 5, 200
HOUR, DAY = 3600, 86_400
WITHIN = {"component", "type", "status"}
FIRST_OF = {"input", "ok"}
SPANS = {"24h": DAY, "30d": 30 * DAY}
POINTS = {
    (name, panel["title"]): panel.get("maxDataPoints", 300)
    for name, board in BOARDS.items()
    for panel in panels_of(board)
}
"""Points of each panel at most; of lines, a point for every third pixel or so."""
WIDTHS = (300, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
"""What Grafana rounds the width of a bar to, in seconds."""


def counters() -> list[tuple[names.Family, dict[str, str]]]:
    """Return the series of one ledger, without its own labels: ten for each combination."""
    found = []
    for number in range(COMBINATIONS):
        labels = {"provider": f"provider-{number % 5}", "model": f"model-{number % 40}",
                  "endpoint": f"/v1/{number % 25}", "feature": f"feature-{number % 50}",
                  "team": f"team-{number % 12}-{number // 100}"}  # fmt: skip
        for component in ("input", "cache_read", "output", "reasoning"):
            found.append((names.SPEND, {**labels, "component": component}))
            found.append((names.TOKENS, {**labels, "type": component}))
        found += [(names.API_CALLS, {**labels, "status": status}) for status in ("ok", "error")]
    return found


def lines(end: int) -> Iterator[str]:
    """Yield what was recorded, as OpenMetrics, name by name."""
    ends = {at for span in SPANS.values() for at in (end, end - span, end - span - 7 * DAY)}
    ends |= {end - 7 * DAY}
    near = sorted({at for e in ends for at in range(e - 2 * HOUR, e + 1, 60) if at <= end})
    ledgers = [f"ledger-{number}" for number in range(LEDGERS)]
    for ledger in ledgers:
        labels = f'{SEEN}{{job="costmeter",ledger="{ledger}"}}'
        yield from (f"{labels} {at} {at}\n" for at in range(end - 30 * DAY, end + 1, 60))
    sampled = [
        (f',bars="{bars}"', range(end - reach, end + 1, seconds))
        for (bars, seconds), reach in zip(BARS.items(), (30 * HOUR, 31 * DAY), strict=True)
    ]
    for ledger, (extra, times) in itertools.product(ledgers, sampled):
        labels = f'{SEEN_SAMPLED}{{job="costmeter",ledger="{ledger}"{extra}}}'
        yield from (f"{labels} {at} {at}\n" for at in times)
    for name, extra, times in (
        (LATEST, "", near),
        (WHOLE, "", near),
        *((SAMPLED, *each) for each in sampled),
        *((WHOLE_SAMPLED, *each) for each in sampled),
    ):
        for ledger, (family, own) in itertools.product(ledgers, counters()):
            if name == SAMPLED and family is names.SPEND:
                continue
            summed = name in {WHOLE, WHOLE_SAMPLED}
            if summed and not (family in SUMMED and FIRST_OF & set(own.values())):
                continue  # one stands for all
            kept = own.keys() - WITHIN if summed else own.keys()
            inner = ",".join(f'{key}="{own[key]}"' for key in sorted(kept))
            labels = (
                f'{name}{{job="costmeter",ledger="{ledger}",family="{family.name}",{inner}{extra}}}'
            )
            rate = random.Random(labels).random() / 1e5
            begin = end - 45 * DAY
            yield from (f"{labels} {rate * (at - begin):.9f} {at}\n" for at in times)


def build(database: Path, end: int) -> None:
    """Write it all as blocks of a database."""
    source = database.with_suffix(".om")
    with source.open("w") as file:
        file.writelines(lines(end))
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=744h",
         "openmetrics", str(source), str(database)],
        check=True,
    )  # fmt: skip
    source.unlink()


def cpu(server: Prometheus) -> float:
    """Return the seconds of a core that Prometheus has used so far."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        (line,) = (each for each in answer if each.startswith(b"process_cpu_seconds_total "))
    return float(line.split()[1])


def panels(server: Prometheus, end: int, span: int) -> dict[str, float]:
    """Return the seconds of a core that each panel takes for a range."""
    taken: dict[str, float] = defaultdict(float)
    for one in TARGETS:
        step = next(
            (w for w in WIDTHS if span / w <= 1.25 * POINTS.get((one.board, one.panel), 300)), DAY
        )
        wide = f"{step // 60}m" if step < HOUR else f"{step // HOUR}h"
        promql = one.promql(span, __interval=wide)
        began = cpu(server)
        if one.query["instant"]:
            server.query(promql, end)
        else:
            first = (end - span) // step * step
            server.query_range(promql, first, end // step * step, step)
        taken[f"{one.board}: {one.panel}"] += cpu(server) - began
    return taken


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the database for the next run")
    with tempfile.TemporaryDirectory(prefix="costmeter-") as name:
        folder = parser.parse_args().folder or Path(name)
        folder.mkdir(exist_ok=True)
        noted = folder / "end"
        if not noted.exists():
            end = int(time.time()) // HOUR * HOUR
            build(folder / "tsdb", end)
            noted.write_text(str(end))
        end = int(noted.read_text())
        with prometheus(folder, 9) as server:
            for shown, span in SPANS.items():
                taken = sorted(panels(server, end, span).items(), key=lambda one: -one[1])
                print(f"{shown}: {sum(each for _, each in taken):.2f} s for all panels", flush=True)
                for panel, seconds in taken[:12]:
                    print(f"  {seconds:6.3f}  {panel}", flush=True)


if __name__ == "__main__":
    main()
