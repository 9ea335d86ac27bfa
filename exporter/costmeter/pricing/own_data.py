"""Our own data file: prices that the catalogue lacks or has wrong, each with its source."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from costmeter.pricing.schema import Alias, ModelPrices
from costmeter.schema import Section


class OwnData(Section):
    """The file ``pricing/data/models.yml``.

    Attributes:
        corrections: come before the catalogue.
        additions: come after it.
        aliases: other names of models; those of the configuration come before them.
    """

    corrections: tuple[ModelPrices, ...]
    additions: tuple[ModelPrices, ...]
    aliases: dict[str, Alias]


@cache
def own_data() -> OwnData:
    """Return the data file's content."""
    text = (files("costmeter.pricing") / "data" / "models.yml").read_text(encoding="utf-8")
    return OwnData.model_validate(yaml.safe_load(text))
