"""genai-prices behind our own small interface: find a model, read its prices at an instant.

Its own look-up costs 140 µs and its calculation as much again; here a model is looked up once and
its prices are compiled (:mod:`costmeter.pricing.tariff`) for as long as they stay in force.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Final, NamedTuple

from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
    _providers_from_raw,  # the parser that genai-prices' own updater calls; it has no public name
)

from costmeter.errors import PricingError
from costmeter.pricing.prices import Prices
from costmeter.pricing.tariff import FOREVER_NS
from costmeter.units import NANO

PACKAGE_VERSION: Final = version("genai-prices")

_KINDS: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_audio_read_mtok": "cache_audio_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
"""The catalogue's price keys for tokens, to our kinds."""

_AUDIO_READ_BY_TIME: Final = ("input_audio_hours", "audio_hours")
_AUDIO_BY_TIME: Final = (*_AUDIO_READ_BY_TIME, "output_audio_hours")
_AUDIO_KINDS: Final = ("input_audio", "output_audio", "cache_audio_read")
_BESIDE: Final = frozenset({"annotated_page", "web_search"})
"""What has a price beside a model's own alone."""
_THOUSAND: Final = Decimal(1000)

Constraint = StartDateConstraint | TimeOfDateConstraint | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue: ``variants`` tells whether its own provider sells it."""

    provider: str
    info: ModelInfo
    variants: bool

    @property
    def name(self) -> str:
        """The provider's and the model's ids, as ``openai/gpt-4o``."""
        return f"{self.provider}/{self.info.id}"


class Quote(NamedTuple):
    """The prices of a model at an instant, and from when until when they are in force.

    ``published`` tells whether they are what the provider publishes for the service tier asked
    for; else they are the standard prices. ``prices`` is None where there are none that usage can
    be multiplied with.
    """

    prices: Prices | None
    start_ns: int
    end_ns: int
    published: bool


class Catalogue:
    """One version of the catalogue.

    Attributes:
        version: the package's version, or ``sha256-`` and the beginning of the published file's.
        origin: ``bundled`` with the package, or ``refreshed`` from the published file.
    """

    def __init__(self, providers: Sequence[Provider], version: str, origin: str) -> None:
        """Take parsed providers."""
        self.version = version
        self.origin = origin
        self._all = list(providers)
        self._by_id = {provider.id: provider for provider in providers}

    @classmethod
    def bundled(cls) -> Catalogue:
        """Return the catalogue that the installed genai-prices brings."""
        from genai_prices.data import providers  # noqa: PLC0415 - a tenth of a second of literals

        return cls(providers, PACKAGE_VERSION, "bundled")

    @classmethod
    def parse(cls, body: bytes) -> Catalogue:
        """Return the catalogue in a published file.

        Raises:
            PricingError: the file is not a catalogue, or one of its prices makes no sense.
        """
        try:
            raw = json.loads(body, parse_float=Decimal)
            if not isinstance(raw, list) or not raw:
                raise PricingError("the published prices are not a list of providers")
            providers = _providers_from_raw(raw)
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise PricingError(f"the published prices cannot be read: {reason}") from error
        catalogue = cls(providers, f"sha256-{hashlib.sha256(body).hexdigest()[:12]}", "refreshed")
        catalogue._check()
        return catalogue

    def find(self, provider: str, names: Sequence[str]) -> Model | None:
        """Return the model that one of several spellings names, the best first."""
        owner = self._by_id.get(provider)
        if owner is None:
            return None
        for name in names:
            info = owner.find_model(name, all_providers=self._all)
            if info is not None:
                return Model(owner.id, info, any(info is own for own in owner.models))
        return None

    def quote(self, model: Model, tier: str, time_ns: int, *, flat: bool = False) -> Quote:
        """Return a model's prices at an instant.

        Args:
            model: the model.
            tier: the service tier in small letters, or empty for the standard one.
            time_ns: nanoseconds since 1970.
            flat: whether to leave windows of the day out.
        """
        at = _instant(time_ns)
        info = _without_windows(model.info) if flat else model.info
        start_ns, end_ns = _validity(info, time_ns)
        standard = info.get_prices(at)
        if not tier or not model.variants:
            return Quote(_prices(standard), start_ns, end_ns, not tier)
        special = _special(info, tier, at, standard)
        return Quote(_prices(special or standard), start_ns, end_ns, special is not None)

    def models(self) -> Iterator[Model]:
        """Yield every model of every provider."""
        for provider in self._all:
            for info in provider.models:
                yield Model(provider.id, info, variants=True)

    def newest_price_ns(self, now_ns: int) -> int:
        """Return when the newest dated price in force came in: no older is the whole catalogue.

        The bundled catalogue has no date of its own.
        """
        starts = (
            _midnight_ns(constraint)
            for model in self.models()
            for constraint in _constraints(model.info)
            if isinstance(constraint, StartDateConstraint)
        )
        return max((start for start in starts if start <= now_ns), default=0)

    def _check(self) -> None:
        priced = 0
        for model in self.models():
            for price in _all_prices(model.info):
                try:
                    priced += _prices(price) is not None
                except (ValueError, ArithmeticError, TypeError) as error:
                    raise PricingError(f"{model.name}: {error}") from error
        if not priced:
            raise PricingError("the published prices name no model with a price")


def _without_windows(info: ModelInfo) -> ModelInfo:
    if isinstance(info.prices, ModelPrice):
        return info
    prices = [one for one in info.prices if not isinstance(one.constraint, TimeOfDateConstraint)]
    return replace(info, prices=prices or info.prices)


def _special(info: ModelInfo, tier: str, at: datetime, standard: ModelPrice) -> ModelPrice | None:
    """Return what a service tier costs, where the provider publishes that.

    The catalogue dates such prices by when somebody looked, and says that it does not know what
    came before. So the first known price also holds for the time before, as long as the standard
    price has not changed in between.
    """
    context = {"service_tier": tier, "processing": tier, "speed": tier}
    known = [
        variant
        for variant in info.price_variants or ()
        if all(context.get(key) == value for key, value in variant.when.items())
    ]
    if any(variant.constraint is None or variant.constraint.active(at) for variant in known):
        return info.get_prices(at, context)
    starts = [
        datetime.combine(variant.constraint.start_date, time(), UTC)
        for variant in known
        if isinstance(variant.constraint, StartDateConstraint)
    ]
    if starts and info.get_prices(min(starts)) == standard:
        return info.get_prices(min(starts), context)
    return None


def _prices(price: ModelPrice) -> Prices | None:
    """Return the catalogue's prices as ours; None where usage tells nothing that they are for."""
    keys = {key: value for key, value in vars(price).items() if value is not None}
    flat: dict[str, Decimal | None] = {}
    tiered: dict[str, TieredPrices] = {}
    for key, kind in _KINDS.items():
        value = keys.get(key)
        if isinstance(value, TieredPrices):
            tiered[kind] = value
            flat[kind] = _sensible(key, value.base)
        elif value is not None:
            flat[kind] = _sensible(key, value)
    request = _per_thousand(keys, "requests_kcount")
    pieces = {
        "audio_hour": next((_base(keys, key) for key in _AUDIO_READ_BY_TIME if key in keys), None),
        "million_characters": _base(keys, "input_mchars"),
        "page": _per_thousand(keys, "input_document_kpages"),
        "annotated_page": _per_thousand(keys, "input_annotated_document_kpages"),
        "web_search": _per_thousand(keys, "web_searches_kcount"),
    }
    known = {name: price for name, price in pieces.items() if price is not None}
    if not flat and request is None and known.keys() <= _BESIDE:
        return None
    if any(key in keys for key in _AUDIO_BY_TIME):
        # Audio is billed by the hour here, so audio tokens do not cost what text costs.
        flat = {**dict.fromkeys(_AUDIO_KINDS), **flat}
    limits = sorted({tier.start for value in tiered.values() for tier in value.tiers})
    above = tuple(
        (limit, {**flat, **{kind: _at_length(value, limit) for kind, value in tiered.items()}})
        for limit in limits
    )
    return Prices(
        tokens=flat,
        above=above,
        pieces=known,
        request=request or Decimal(0),
    )


def _at_length(value: TieredPrices, limit: int) -> Decimal:
    """Return the price of requests whose input is longer than a limit."""
    price = value.base
    for tier in value.tiers:
        if tier.start <= limit:
            price = tier.price
    return _sensible("tier", price)


def _per_thousand(keys: Mapping[str, Decimal | TieredPrices], key: str) -> Decimal | None:
    value = _base(keys, key)
    return None if value is None else value / _THOUSAND


def _base(keys: Mapping[str, Decimal | TieredPrices], key: str) -> Decimal | None:
    value = keys.get(key)
    if isinstance(value, TieredPrices):
        value = value.base
    return None if value is None else _sensible(key, value)


def _sensible(key: str, value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        raise ValueError(f"{key}: {value} is not a price")
    return value


def _all_prices(info: ModelInfo) -> list[ModelPrice]:
    standard = (
        [info.prices]
        if isinstance(info.prices, ModelPrice)
        else [conditional.prices for conditional in info.prices]
    )
    return standard + [variant.prices for variant in info.price_variants or ()]


def _constraints(info: ModelInfo) -> list[Constraint]:
    dated = [] if isinstance(info.prices, ModelPrice) else info.prices
    return [one.constraint for one in (*dated, *(info.price_variants or ()))]


def _validity(info: ModelInfo, time_ns: int) -> tuple[int, int]:
    """Return from when until when a model's prices are what they are at an instant.

    Dates change them at midnight UTC, windows of the day (DeepSeek's off-peak hours) twice a day.
    """
    start_ns, end_ns = 0, FOREVER_NS
    for constraint in _constraints(info):
        for bound_ns in _bounds(constraint, time_ns):
            if bound_ns <= time_ns:
                start_ns = max(start_ns, bound_ns)
            else:
                end_ns = min(end_ns, bound_ns)
    return start_ns, end_ns


def _bounds(constraint: Constraint, time_ns: int) -> list[int]:
    if isinstance(constraint, StartDateConstraint):
        return [_midnight_ns(constraint)]
    if isinstance(constraint, TimeOfDateConstraint):
        today = _instant(time_ns).date()
        return [
            _nanoseconds(datetime.combine(today + timedelta(days=days), at))
            for days in (-1, 0, 1, 2)
            for at in (_utc(constraint.start_time), _utc(constraint.end_time))
        ]
    return []


def _utc(at: time) -> time:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _midnight_ns(constraint: StartDateConstraint) -> int:
    return _nanoseconds(datetime.combine(constraint.start_date, time(), UTC))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * NANO


def _instant(time_ns: int) -> datetime:
    # Whole seconds, rounded down: a window of the day begins and ends on whole seconds.
    return datetime.fromtimestamp(time_ns // NANO, UTC)
