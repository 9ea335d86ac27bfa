"""Whom something was for, as labels: each with a cap on the values that are told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from costmeter.names import DIMENSIONS, OVERFLOW
from costmeter.usage import MAX_NAME_LENGTH, MAX_VALUE_LENGTH, RecordedUsage

MAX_STATUSES: Final = 30
DEFAULT_CAPS: Final = dict(zip(DIMENSIONS, (100, 500, 500, 200, 200), strict=True))
"""How many values of each built-in label are told apart."""


def label_caps(own: Mapping[str, int]) -> dict[str, int]:
    """Return the caps of all labels: the built-in ones, changed and added to by the given ones."""
    return {**DEFAULT_CAPS, **own}


class Labelled(NamedTuple):
    """The labels of an event.

    Attributes:
        labels: value by label, empty where it has none.
        status: how its call ended.
        overflows: labels whose value is over the cap: it is counted under ``other``.
    """

    labels: dict[str, str]
    status: str
    overflows: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """What the same events have in common."""
        return (*self.labels.values(), self.status, *self.overflows)


class LabelValues:
    """The values that are told apart: those that came first."""

    def __init__(self, caps: Mapping[str, int]) -> None:
        """Take how many values each label may have, for each label that there is."""
        self._caps = {**caps, "status": MAX_STATUSES}
        self._own = tuple(name for name in caps if name not in {"provider", "model"})
        self._values: dict[str, set[str]] = {name: set() for name in self._caps}

    def know(self, series: Iterable[Mapping[str, str]]) -> None:
        """Take the label values of series that exist: they keep their place within the caps."""
        for labels in series:
            for name, value in labels.items():
                if name in self._values and value != OVERFLOW:
                    self._values[name].add(value)

    def of(self, event: RecordedUsage, attributes: Mapping[str, str]) -> Labelled:
        """Return the labels of an event with such attributes."""
        overflows: list[str] = []
        labels = {
            "provider": self._capped("provider", event.provider[:MAX_NAME_LENGTH], overflows),
            "model": self._capped("model", event.model[:MAX_VALUE_LENGTH], overflows),
        }
        for name in self._own:
            value = attributes.get(name, "")[:MAX_VALUE_LENGTH]
            labels[name] = self._capped(name, value, overflows)
        status = self._capped("status", event.status[:MAX_NAME_LENGTH], overflows)
        return Labelled(labels, status, tuple(overflows))

    def _capped(self, name: str, value: str, overflows: list[str]) -> str:
        values = self._values[name]
        if not value or value in values:
            return value
        if len(values) < self._caps[name]:
            values.add(value)
            return value
        overflows.append(name)
        return OVERFLOW
