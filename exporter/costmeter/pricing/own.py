"""Prices from ``costmeter.yml`` and from our own data: which entry holds for a model, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from costmeter.pricing.schema import ModelPrices
from costmeter.pricing.tariff import FOREVER_NS
from costmeter.units import NANO

_WILD: Final = frozenset("*?")


class Found(NamedTuple):
    """The entry in force at an instant, or None, and from when until when that is so."""

    entry: ModelPrices | None
    start_ns: int
    end_ns: int


class OwnPrices:
    """A list of entries, searchable by model and time."""

    def __init__(self, entries: Sequence[ModelPrices]) -> None:
        """Take entries that do not conflict; of two patterns that match, the first written wins."""
        self._exact: dict[tuple[str, str], list[_Dated]] = {}
        self._patterns: dict[tuple[str, str], list[_Dated]] = {}
        for entry in entries:
            kind = self._patterns if _WILD.intersection(entry.model) else self._exact
            kind.setdefault(entry.key, []).append(_Dated.of(entry))
        for dated in (*self._exact.values(), *self._patterns.values()):
            dated.sort(key=lambda one: one.start_ns)
            for i in range(len(dated) - 1):
                dated[i] = dated[i].ending(dated[i + 1].start_ns)

    def find(self, provider: str, names: Sequence[str], time_ns: int) -> Found:
        """Return the entry for a model at an instant.

        Args:
            provider: the provider's catalogue id.
            names: spellings of the model, the best first.
            time_ns: nanoseconds since 1970.
        """
        start_ns, end_ns = 0, FOREVER_NS
        for dated in self._candidates(provider, names):
            for one in dated:
                if one.start_ns <= time_ns < one.end_ns:
                    return Found(one.entry, max(start_ns, one.start_ns), min(end_ns, one.end_ns))
                if one.start_ns > time_ns:
                    end_ns = min(end_ns, one.start_ns)
                else:
                    start_ns = max(start_ns, one.end_ns)
        return Found(None, start_ns, end_ns)

    def entries(self, time_ns: int) -> list[ModelPrices]:
        """Return all entries in force at an instant, patterns too."""
        return [
            one.entry
            for dated in (*self._exact.values(), *self._patterns.values())
            for one in dated
            if one.start_ns <= time_ns < one.end_ns
        ]

    def _candidates(self, provider: str, names: Sequence[str]) -> list[list[_Dated]]:
        found = [self._exact[provider, name] for name in names if (provider, name) in self._exact]
        found += [
            dated
            for name in names
            for (owner, pattern), dated in self._patterns.items()
            if owner == provider and fnmatchcase(name, pattern.replace("[", "[[]"))
        ]
        return found


class _Dated(NamedTuple):
    entry: ModelPrices
    start_ns: int
    end_ns: int

    @classmethod
    def of(cls, entry: ModelPrices) -> _Dated:
        start_ns = _nanoseconds(entry.from_) if entry.from_ else 0
        return cls(entry, start_ns, _nanoseconds(entry.until) if entry.until else FOREVER_NS)

    def ending(self, next_start_ns: int) -> _Dated:
        return self._replace(end_ns=min(self.end_ns, next_start_ns))


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * NANO
