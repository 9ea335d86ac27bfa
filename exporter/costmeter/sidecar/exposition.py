"""``/metrics`` as text, kept in blocks of lines so that only what changed is drawn again.

The lines are valid in Prometheus text format 0.0.4 and in OpenMetrics 1.0.0 alike; the formats
differ in their headers and in the last line only. So one text serves both, and there is no copy of
a series beside its line: a block with changes is split into lines, the changed ones get a new
value, and it is joined again.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from costmeter.names import Family
from costmeter.units import NANO

BLOCK_LINES: Final = 16
"""Lines of a block. With fewer, the blocks themselves cost time and memory; with more, a few
changes at random touch almost every block."""


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
        self._block_of: dict[int, _Block] = {}  # by series
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
            if series not in self._block_of:
                self._block_of[series] = section.add(series, family, labels)
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
            if not values.keys() <= self._block_of.keys():
                raise KeyError(min(values.keys() - self._block_of.keys()))
            self._changed.update(values)

    def draw(self, openmetrics: bool, gauges: Iterable[Gauges] = ()) -> list[bytes]:
        """Return all of ``/metrics`` as the chunks of its body, families sorted by name.

        A family without a series is left out.
        """
        drawn = _draw_gauges(gauges)
        with self._lock:
            changed, self._changed = self._changed, {}
            for block in {self._block_of[series] for series in changed}:
                block.redraw(changed)
            for section in self._sections:
                if section.blocks:
                    drawn[section.family] = [block.text for block in section.blocks]
        chunks: list[bytes] = []
        for family in sorted(drawn, key=lambda family: family.name):
            chunks.append(_header(family, openmetrics))
            chunks += drawn[family]
        if openmetrics:
            chunks.append(b"# EOF\n")
        return chunks


class _Section:
    """The lines of one family, cut into blocks; a histogram has a block for each set of labels."""

    def __init__(self, family: Family, extra_labels: tuple[str, ...]) -> None:
        if family.scale not in (1, NANO):
            raise ValueError(f"{family.name}: scale {family.scale} is neither 1 nor {NANO}")
        self.family = family
        self.names: tuple[str, ...] = (family.name,)
        self.unscaled: tuple[bytes, ...] = () if family.scale == NANO else (b"",)
        """What the lines begin with whose values are drawn as they are."""
        self.blocks: list[_Block] = []
        self._order = {label: at for at, label in enumerate((*family.labels, *extra_labels))}
        self._histograms: dict[bytes, _Block] | None = None  # by their labels
        if family.kind == "histogram":
            self.names = tuple(f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
            self.unscaled += (f"{family.name}_bucket".encode(), f"{family.name}_count".encode())
            self._histograms = {}

    def add(self, series: int, name: str, labels: Mapping[str, str]) -> _Block:
        """Write a line for a series, with the value 0; return the block that it went to."""
        pairs = [(label, value) for label, value in labels.items() if label != "le"]
        pairs.sort(key=lambda pair: (self._order.get(pair[0], len(self._order)), pair[0]))
        if self._histograms is None:
            block = self.blocks[-1] if self.blocks else None
            if block is None or len(block.series) == BLOCK_LINES:
                block = self._open()
            block.append(_sample(name, pairs), series)
        else:
            group = _sample("", pairs)
            block = self._histograms.get(group) or self._histograms.setdefault(group, self._open())
            if "le" in labels:
                pairs.append(("le", _number(float(labels["le"]))))
            block.append(_sample(name, pairs), series)
            block.sort(_histogram_key)
        return block

    def _open(self) -> _Block:
        block = _Block(self)
        self.blocks.append(block)
        return block


class _Block:
    """Some neighbouring lines of a family, and the ids of their series in the same order."""

    __slots__ = ("section", "series", "text")

    def __init__(self, section: _Section) -> None:
        self.section = section
        self.text = b""
        self.series: list[int] = []

    def append(self, sample: bytes, series: int) -> None:
        self.text += sample + b" 0\n"
        self.series.append(series)

    def sort(self, key: Callable[[bytes], Any]) -> None:
        lines = zip(self.text.split(b"\n"), self.series, strict=False)  # "" after the last "\n"
        ordered = sorted(lines, key=lambda pair: key(pair[0]))
        self.text = b"".join(line + b"\n" for line, _ in ordered)
        self.series = [series for _, series in ordered]

    def redraw(self, changed: Mapping[int, int]) -> None:
        """Give the series that are in ``changed`` their new values."""
        unscaled = self.section.unscaled
        lines = self.text.split(b"\n")
        for at, value in enumerate(map(changed.get, self.series)):
            if value is not None:
                sample = lines[at].rpartition(b" ")[0]
                if sample.startswith(unscaled):
                    lines[at] = b"%b %d" % (sample, value)
                else:  # all nine digits: exact where a float would not be, and faster
                    lines[at] = b"%b %d.%09d" % (sample, value // NANO, value % NANO)
        self.text = b"\n".join(lines)


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
