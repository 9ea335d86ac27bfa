"""Our own data file: prices that the catalogue lacks or has wrong, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import yaml
from pydantic import Field

from costmeter.pricing.schema import Alias, Instant, ModelPrices
from costmeter.pricing.tariff import FOREVER_NS
from costmeter.schema import Section
from costmeter.units import NANO

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NS: Final = 86_400 * NANO


class FlatTime(Section):
    """When a model's windows of the day do not hold: its ordinary price does.

    Attributes:
        provider: the catalogue's id.
        model: the model's name or pattern, in small letters.
        from_: since when (``from``); since ever, where left out.
        until: until when; open, where left out.
        days: days of the week, in UTC; all, where left out.
        source: where that is published.
    """

    provider: str
    model: str
    from_: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = _DAYS
    source: str

    def span_ns(self) -> tuple[int, int]:
        """Return when it begins and ends, in nanoseconds since 1970."""
        start_ns = int(self.from_.timestamp()) * NANO if self.from_ else 0
        return start_ns, int(self.until.timestamp()) * NANO if self.until else FOREVER_NS


class OwnData(Section):
    """The file ``pricing/data/models.yml``.

    Attributes:
        corrections: come before the catalogue.
        additions: come after it.
        flat: when the catalogue's windows of the day do not hold.
        aliases: other names of models; those of the configuration come before them.
    """

    corrections: tuple[ModelPrices, ...]
    additions: tuple[ModelPrices, ...]
    flat: tuple[FlatTime, ...]
    aliases: dict[str, Alias]

    def is_flat(self, provider: str, names: Sequence[str], time_ns: int) -> tuple[bool, int, int]:
        """Tell whether windows of the day hold for a model at an instant.

        Returns:
            Whether they do not; and from when until when that is so, in nanoseconds since 1970.
        """
        start_ns, end_ns = 0, FOREVER_NS
        today = time_ns // _DAY_NS * _DAY_NS
        weekday = _DAYS[datetime.fromtimestamp(time_ns // NANO, UTC).weekday()]
        for one in self.flat:
            if one.provider != provider or not any(fnmatchcase(n, one.model) for n in names):
                continue
            first_ns, last_ns = one.span_ns()
            if not first_ns <= time_ns < last_ns:
                if first_ns > time_ns:
                    end_ns = min(end_ns, first_ns)
                else:
                    start_ns = max(start_ns, last_ns)
                continue
            start_ns, end_ns = max(start_ns, first_ns), min(end_ns, last_ns)
            if one.days != _DAYS:
                start_ns, end_ns = max(start_ns, today), min(end_ns, today + _DAY_NS)
            if weekday in one.days:
                return True, start_ns, end_ns
        return False, start_ns, end_ns


@cache
def own_data() -> OwnData:
    """Return the data file's content."""
    text = (files("costmeter.pricing") / "data" / "models.yml").read_text(encoding="utf-8")
    return OwnData.model_validate(yaml.safe_load(text))
