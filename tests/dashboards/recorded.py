"""What ``prometheus/rules/ranges.yml`` would have recorded of a past; its own tests hold it to that."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from costmeter import names
from dashboards.src.queries import (
    FIRST,
    LATEST,
    RECORDED,
    SAMPLED,
    SEEN,
    SEEN_SAMPLED,
    SUMMED,
    WHOLE,
    WHOLE_SAMPLED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboards.exposed import Meter, Series

WITHIN = re.compile(r'(component="(?!compute|storage|network)|type="|status=")\w+",')
"""What the whole of a family does not tell apart."""
BARS = {"sm": 300, "hdwy": 3600}
"""Seconds between samples, by the units of bars that they are for."""


class Ranges:
    """The latest values of ledgers by series, as their counters are seen."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._latest: dict[str, str] = {}
        self._first: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._labels: dict[tuple[str, Series], str] = {}
        self._whole: dict[str, str | None] = {}

    def see(self, ledger: str, meter: Meter, at: int, *, found: bool = False) -> None:
        """Take a ledger's counters; ``found`` where it has a past that nobody watched."""
        counters = dict(self._counters(ledger, meter))
        if found and ledger not in self._seen:
            self._first |= {labels: value for labels, value in counters.items() if float(value)}
        self._seen[ledger] = at
        self._latest |= counters

    def seen(self) -> Iterator[tuple[str, str]]:
        """Yield as text when each ledger was seen."""
        for ledger, seen in self._seen.items():
            yield f'{SEEN}{{job="{self._job}",ledger="{ledger}"}}', str(seen)

    def samples(self, at: int) -> Iterator[tuple[str, str]]:
        """Yield every other series as text and its value as recorded ``at`` (seconds since 1970)."""
        for labels, value in self._first.items():
            yield f"{FIRST}{{{labels}}}", value
        whole: dict[str, float] = defaultdict(float)
        for labels, value in self._latest.items():
            yield f"{LATEST}{{{labels}}}", value
            if (of := self._whole[labels]) is not None:
                whole[of] += float(value)
        for labels, total in whole.items():
            yield f"{WHOLE}{{{labels}}}", repr(total)
        for bars in (bars for bars, seconds in BARS.items() if at % seconds < 60):
            for ledger, seen in self._seen.items():
                yield (
                    f'{SEEN_SAMPLED}{{job="{self._job}",ledger="{ledger}",bars="{bars}"}}',
                    str(seen),
                )
            for labels, total in whole.items():
                yield f'{WHOLE_SAMPLED}{{{labels},bars="{bars}"}}', repr(total)
            for labels, value in self._latest.items():
                if not ("_bucket" in labels or f'family="{names.SPEND.name}"' in labels):
                    yield f'{SAMPLED}{{{labels},bars="{bars}"}}', value

    def _counters(self, ledger: str, meter: Meter) -> Iterator[tuple[str, str]]:
        for series, value in meter.samples():
            if series[0] in RECORDED:
                labels = self._labels.get((ledger, series))
                if labels is None:
                    own = {**dict(series[1]), "job": self._job, "ledger": ledger}
                    own["family"] = series[0]
                    labels = ",".join(f'{key}="{text}"' for key, text in own.items())
                    self._labels[ledger, series] = labels
                    summed = series[0] in {family.name for family in SUMMED}
                    self._whole[labels] = WITHIN.sub("", labels) if summed else None
                yield labels, value
