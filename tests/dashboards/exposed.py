"""Known metrics: counted here in integers, shown to a real Prometheus as past and as present."""

from __future__ import annotations

import bisect
import subprocess
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from costmeter import names
from tests.dashboards.recorded import Ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from costmeter.names import Family

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels, those with an empty value left out."""

TARGET = {"job": "costmeter", "instance": "127.0.0.1:9464"}
"""The labels that Prometheus gives whatever it scrapes from the sidecar."""


class Meter:
    """Values by series, as integers before :attr:`Family.scale` divides them."""

    def __init__(self) -> None:
        self.values: dict[Series, int] = {}
        self._scales: dict[str, int] = {}
        self._kinds: dict[str, str] = {}

    def add(self, family: Family, labels: Mapping[str, str], amount: int) -> None:
        """Add to a counter; a new one is at 0 before."""
        self._put(family, family.name, labels, amount, add=True)

    def set(self, family: Family, labels: Mapping[str, str], value: int) -> None:
        """Set a gauge."""
        self._put(family, family.name, labels, value, add=False)

    def observe(self, family: Family, labels: Mapping[str, str], value: int, count: int) -> None:
        """Add ``count`` observations of one value to a histogram."""
        bounds = [*family.buckets, float("inf")]
        first = bisect.bisect_left(bounds, value / family.scale)
        for place, bound in enumerate(bounds):
            le = {**labels, "le": "+Inf" if bound == float("inf") else repr(float(bound))}
            self._put(
                family, f"{family.name}_bucket", le, count * (place >= first), scale=1, add=True
            )
        self._put(family, f"{family.name}_sum", labels, value * count, add=True)
        self._put(family, f"{family.name}_count", labels, count, scale=1, add=True)

    def record(self, name: str, labels: Mapping[str, str], value: int, scale: int) -> None:
        """Set what a recording rule of this name would have recorded."""
        self._scales[name], self._kinds[name] = scale, "gauge"
        self.values[_series(name, labels)] = value

    def shows(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a series is shown."""
        return _series(name, labels) in self.values

    def forget(self, name: str, labels: Mapping[str, str]) -> None:
        """Stop showing a series."""
        del self.values[_series(name, labels)]

    def lines(self, extra: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """Return every series as ``name{labels}`` and its value as text, ``extra`` labels added."""
        return [
            (_text(series, extra or {}), repr(value / self._scales[series[0]]))
            for series, value in self.values.items()
        ]

    def samples(self) -> Iterator[tuple[Series, str]]:
        """Yield every series and its value as text."""
        for series, value in self.values.items():
            yield series, repr(value / self._scales[series[0]])

    def page(self) -> str:
        """Return all of it in Prometheus's text format."""
        by_family: dict[str, list[str]] = defaultdict(list)
        for series, value in self.values.items():
            family = self._family(series[0])
            by_family[family].append(f"{_text(series, {})} {value / self._scales[series[0]]!r}\n")
        return "".join(
            f"# TYPE {family} {self._kinds[family]}\n{''.join(samples)}"
            for family, samples in by_family.items()
        )

    def _put(
        self,
        family: Family,
        name: str,
        labels: Mapping[str, str],
        value: int,
        *,
        add: bool,
        scale: int | None = None,
    ) -> None:
        self._scales[name] = family.scale if scale is None else scale
        self._kinds[family.name] = family.kind
        series = _series(name, labels)
        self.values[series] = self.values.get(series, 0) + value if add else value

    def _family(self, name: str) -> str:
        if name in self._kinds:
            return name
        return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


def _series(name: str, labels: Mapping[str, str]) -> Series:
    return name, tuple((key, value) for key, value in labels.items() if value)


def _text(series: Series, extra: Mapping[str, str]) -> str:
    name, labels = series
    inner = ",".join(f'{key}="{value}"' for key, value in (*labels, *extra.items()))
    return f"{name}{{{inner}}}"


class Past:
    """Samples of the past, to be written as blocks of a Prometheus database."""

    def __init__(self) -> None:
        self._samples: dict[str, list[str]] = defaultdict(list)
        self._ranges = Ranges(TARGET["job"])

    def take(
        self,
        meter: Meter,
        at: int,
        scraped: Mapping[str, str] = TARGET,
        ledger: str = "",
        without: tuple[str, ...] = (),
    ) -> None:
        """Note every value that the meter shows, as scraped at ``at`` (seconds since 1970).

        Where it is a ledger's, :meth:`record` will know of it, of families ``without`` any scraped
        samples too.
        """
        if ledger:
            self._ranges.see(ledger, meter, at)
        for text, value in meter.lines():
            name = text.partition("{")[0]
            if without and name.startswith(without):
                continue
            labels = "" if ":" in name else ",".join(f'{k}="{v}"' for k, v in scraped.items())
            joined = text[:-1] + ("," if labels and text[-2] != "{" else "") + labels + "}"
            self._samples[joined].append(f"{joined} {value} {at}\n")

    def record(self, at: int, *, counters: bool = True) -> None:
        """Note what rules make of the ledgers and their counters, as evaluated at ``at``."""
        for text, value in (*self._ranges.seen(), *(self._ranges.samples(at) if counters else ())):
            self._samples[text].append(f"{text} {value} {at}\n")

    def write(self, database: Path) -> None:
        """Write what was taken so far into ``database`` and begin anew.

        Raises:
            subprocess.CalledProcessError: promtool refused it; its output says why.
        """
        database.mkdir(parents=True, exist_ok=True)
        source = database / "past.om"
        with source.open("w") as file:
            # A family of its own for each name: OpenMetrics wants a family's samples together.
            for text in sorted(self._samples, key=lambda text: text.partition("{")[0]):
                file.writelines(self._samples[text])
            file.write("# EOF\n")
        self._samples.clear()
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=744h",
             "openmetrics", str(source), str(database)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        source.unlink()


class Target:
    """A sidecar's stand-in: shows a meter on ``/metrics`` of a free port."""

    def __init__(self, page: Callable[[], str], port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


__all__ = ["TARGET", "Meter", "Past", "Target", "names"]
