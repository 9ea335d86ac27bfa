"""``/metrics`` as text, of which only the lines that changed are drawn again.

The lines are valid in Prometheus text format 0.0.4 and in OpenMetrics 1.0.0 alike; the formats
differ in their headers and in the last line only. So one text serves both, and a series is nothing
but its line: a new value is put in its place, and a scrape joins the lines.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from typing import Final, NamedTuple

from costmeter.names import Family
from costmeter.units import NANO

_CHUNK_LINES: Final = 2000


class Gauges(NamedTuple):
    """A family that is drawn afresh at each scrape.

    Attributes:
        family: the family; a counter or a gauge, no histogram.
        samples: label values in the order of ``family.labels``, and the value, which is divided by
            ``family.scale`` as the ledger's values are (nano-dollars stay integers until drawn).
            An empty label value leaves its label out.
    """

    family: Family
    samples: Iterable[tuple[tuple[str, ...], float]]


class Exposition:
    """The ledger's series as text: the pipeline changes them, the server draws them.

    The lines of a family stand in the order in which their series were added (the ledger's, so that
    it is the same after a restart), those of a histogram grouped by its labels. Changes made inside
    ``with exposition:`` are seen by a scrape all together or not at all, as a histogram needs it:
    its buckets and its count have to agree.
    """

    def __init__(self, families: Sequence[Family], extra_labels: tuple[str, ...] = ()) -> None:
        """Take the families that series may be of, and the order of the configuration's labels.

        A series may have yet other labels (those of an earlier configuration); they come last.
        """
        self._lock = threading.RLock()
        self._sections = [_Section(family, extra_labels) for family in families]
        self._section_of = {name: section for section in self._sections for name in section.names}
        self._lines: dict[int, bytes] = {}  # by series
        self._changed: dict[int, int] = {}  # values by series, since they were last drawn

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def add(self, series: int, family: str, labels: Mapping[str, str], value: int) -> None:
        """Add a series; one that is known already is set.

        Args:
            series: its id in the ledger.
            family: name of its family; for a histogram's with ``_bucket`` (and a label ``le``),
                ``_sum`` or ``_count`` appended.
            labels: its labels; empty ones are left out.
            value: a whole number from 0 up, drawn divided by the family's scale (buckets and
                counts as is).

        Raises:
            KeyError: there is no such family.
            ValueError: the value is negative.
        """
        section = self._section_of[family]
        with self._lock:
            if series not in self._lines:
                section.add(series, family, labels, self._lines)
            self.set(series, value)

    def set(self, series: int, value: int) -> None:
        """Change the value of a series.

        Raises:
            KeyError: the series was never added.
            ValueError: the value is negative.
        """
        self.update({series: value})

    def update(self, values: Mapping[int, int]) -> None:
        """Change the values of many series, or of none where it raises.

        Raises:
            KeyError: one of the series was never added.
            ValueError: one of the values is negative.
        """
        if min(values.values(), default=0) < 0:
            raise ValueError(f"series {min(values, key=values.__getitem__)} is below 0")
        with self._lock:
            if not values.keys() <= self._lines.keys():
                raise KeyError(min(values.keys() - self._lines.keys()))
            self._changed.update(values)

    def draw(self, openmetrics: bool, gauges: Iterable[Gauges] = ()) -> list[bytes]:
        """Return all of ``/metrics`` as the chunks of its body, families sorted by name.

        A family without a series is left out.
        """
        drawn = _draw_gauges(gauges)
        with self._lock:
            self._redraw()
            for section in self._sections:
                if section.series:
                    drawn[section.family] = section.draw(self._lines)
        chunks: list[bytes] = []
        for family in sorted(drawn, key=lambda family: family.name):
            chunks.append(_header(family, openmetrics))
            chunks += drawn[family]
        if openmetrics:
            chunks.append(b"# EOF\n")
        return chunks

    def _redraw(self) -> None:
        lines = self._lines
        for series, value in self._changed.items():
            sample, _, drawn = lines[series].rpartition(b" ")
            if b"." in drawn:  # scaled values have decimals, from the first line on
                lines[series] = b"%b %d.%09d\n" % (sample, value // NANO, value % NANO)
            else:
                lines[series] = b"%b %d\n" % (sample, value)
        self._changed = {}


class _Section:
    """The series of one family in their order, grouped by the labels of the histogram they are."""

    def __init__(self, family: Family, extra_labels: tuple[str, ...]) -> None:
        if family.scale not in (1, NANO):
            raise ValueError(f"{family.name}: scale {family.scale} is neither 1 nor {NANO}")
        self.family = family
        self.series: dict[bytes, list[int]] = {}  # by histogram; all else is one group
        self._order = {label: at for at, label in enumerate((*family.labels, *extra_labels))}
        # All nine decimals of what is scaled: exact where a float is not, and faster.
        value = b" 0\n" if family.scale == 1 else b" 0.000000000\n"
        if family.kind == "histogram":
            bucket, total, count = (f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
            self.names = {bucket: b" 0\n", total: value, count: b" 0\n"}
        else:
            self.names = {family.name: value}

    def add(
        self, series: int, name: str, labels: Mapping[str, str], lines: dict[int, bytes]
    ) -> None:
        """Give a series its place, and its line with the value 0."""
        pairs = [(label, value) for label, value in labels.items() if label != "le"]
        pairs.sort(key=lambda pair: (self._order.get(pair[0], len(self._order)), pair[0]))
        is_histogram = self.family.kind == "histogram"
        group = self.series.setdefault(_sample("", pairs) if is_histogram else b"", [])
        if "le" in labels:
            pairs.append(("le", _number(float(labels["le"]))))
        lines[series] = _sample(name, pairs) + self.names[name]
        group.append(series)
        if is_histogram:
            group.sort(key=lambda each: _histogram_key(lines[each]))

    def draw(self, lines: Mapping[int, bytes]) -> list[bytes]:
        """Return the lines, joined to chunks."""
        ordered = map(lines.__getitem__, chain.from_iterable(self.series.values()))
        return [b"".join(chunk) for chunk in iter(lambda: tuple(islice(ordered, _CHUNK_LINES)), ())]


def _histogram_key(line: bytes) -> tuple[int, float]:
    """Return what the lines of one histogram sort by: buckets by bound, the sum, the count."""
    name, _, labels = line.rpartition(b" ")[0].partition(b"{")
    if name.endswith(b"_bucket"):
        return 0, float(labels.removesuffix(b'"}').rpartition(b'le="')[2])
    return 1 if name.endswith(b"_sum") else 2, 0.0


def _draw_gauges(gauges: Iterable[Gauges]) -> dict[Family, list[bytes]]:
    drawn: defaultdict[Family, list[bytes]] = defaultdict(list)
    for family, samples in gauges:
        for values, value in samples:
            sample = _sample(family.name, zip(family.labels, values, strict=True))
            number = value if family.scale == 1 else value / family.scale
            drawn[family].append(b"%b %b\n" % (sample, _number(number).encode()))
    return {family: sorted(lines) for family, lines in drawn.items()}


def _sample(name: str, labels: Iterable[tuple[str, str]]) -> bytes:
    """Return the beginning of a line, up to its value."""
    pairs = ",".join(f'{label}="{_escape(value)}"' for label, value in labels if value)
    return (f"{name}{{{pairs}}}" if pairs else name).encode()


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(+value)  # "+" makes a bool a number


@cache
def _header(family: Family, openmetrics: bool) -> bytes:
    name = family.name
    help_text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        help_text = help_text.replace('"', r"\"")
        if family.kind == "counter":
            name = name.removesuffix("_total")
    return f"# HELP {name} {help_text}\n# TYPE {name} {family.kind}\n".encode()
