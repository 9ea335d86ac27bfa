"""``/metrics`` as text, kept in blocks so that only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from costmeter.names import Family


class Gauges(NamedTuple):
    """A family that is drawn afresh at each scrape.

    Attributes:
        family: the family; a counter or a gauge, no histogram.
        samples: label values in the order of ``family.labels``, and the value, which is divided by
            ``family.scale`` as ledger values are (so nano-dollars stay integers until drawn).
    """

    family: Family
    samples: Iterable[tuple[tuple[str, ...], float]]


class Exposition:
    """The ledger's series as text; the pipeline changes them, the server draws them.

    Changes made inside ``with exposition:`` are seen by a scrape all together or not at all.
    """

    def __init__(self, families: Sequence[Family], extra_labels: tuple[str, ...] = ()) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def add(self, series: int, family: str, labels: Mapping[str, str], value: int) -> None:
        """Add a series; a known one is only set."""
        raise NotImplementedError

    def set(self, series: int, value: int) -> None:
        """Change a series' value."""
        raise NotImplementedError

    def draw(self, openmetrics: bool, gauges: Iterable[Gauges]) -> list[bytes]:
        """Return the whole body as chunks."""
        raise NotImplementedError
