"""From a provider's and a model's name to the prices in force: overrides, catalogue, own data.

Which price holds, the first that is found:

1. ``prices.models`` of ``costmeter.yml``,
2. corrections of our own data file,
3. the catalogue,
4. additions of our own data file.

What a service tier costs, likewise: the model's multiplier in ``costmeter.yml``, the provider's
there, the catalogue's published price for that tier, the provider's published multiplier, the
general one in ``costmeter.yml``, the usual one. A tier without any of them has no price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from costmeter.pricing.catalogue import Catalogue, Model
from costmeter.pricing.own import OwnPrices
from costmeter.pricing.own_data import own_data
from costmeter.pricing.prices import Prices
from costmeter.pricing.providers import catalogue_id
from costmeter.pricing.schema import Alias, ModelPrices, PricesConfig
from costmeter.pricing.service_tiers import PUBLISHED, USUAL, tier_name
from costmeter.pricing.tariff import FOREVER_NS

_DATE: Final = re.compile(r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})$")
_PATH: Final = re.compile(r"^(?:.*/)?(?:models|foundation-model|inference-profile)/")
_ONE: Final = Decimal(1)
_NOTHING: Final[Mapping[str, Decimal]] = {}


class Resolved(NamedTuple):
    """Prices in force at an instant; None where there are none.

    Attributes:
        prices: the prices, before ``multiplier``.
        multiplier: what the service tier multiplies them with.
        price: how a charge names them.
        start_ns: from when this holds, in nanoseconds since 1970.
        end_ns: until when.
    """

    prices: Prices | None
    multiplier: Decimal
    price: str
    start_ns: int
    end_ns: int


class Resolver:
    """Finds prices by name and time. Nothing in it changes: a refresh makes a new one."""

    def __init__(self, config: PricesConfig, catalogue: Catalogue) -> None:
        """Take the configuration and the catalogue in use."""
        data = own_data()
        self.catalogue = catalogue
        self._general = {**USUAL, **config.service_tiers}
        self._providers = {catalogue_id(name): value for name, value in config.providers.items()}
        self._overrides = OwnPrices([entry for entry in config.models if entry.priced])
        self._tiers = OwnPrices([entry for entry in config.models if not entry.priced])
        self._corrections = OwnPrices(data.corrections)
        self._additions = OwnPrices(data.additions)
        self._aliases = (_Aliases(config.aliases), _Aliases(data.aliases))

    def canonical(self, provider: str, model: str) -> tuple[str, str]:
        """Return a provider's catalogue id and a model's name in small letters, aliases followed.

        An alias is followed once: the configuration's, or else one of our own data.
        """
        owner, name = self._owner(provider), model.strip().lower()
        for aliases in self._aliases:
            if alias := aliases.find(owner, name):
                owner = self._owner(alias.provider) if alias.provider else owner
                return owner, alias.model.strip().lower()
        return owner, name

    def resolve(self, provider: str, model: str, service_tier: str, time_ns: int) -> Resolved:
        """Return the prices of a model in a service tier at an instant, in nanoseconds."""
        owner, name = self.canonical(provider, model)
        tier = tier_name(service_tier)
        names, found = self._spelled(owner, provider, name)
        search = _Search(owner, names, time_ns)

        tiers = search.find(self._tiers)
        multipliers = tiers.service_tiers if tiers else _NOTHING
        if entry := search.find(self._overrides):
            multiplier = self._multiplier(owner, tier, {**multipliers, **entry.service_tiers})
            return search.entry(entry, "costmeter.yml", tier, multiplier)
        if entry := search.find(self._corrections):
            multiplier = self._multiplier(owner, tier, {**entry.service_tiers, **multipliers})
            return search.entry(entry, "costmeter", tier, multiplier)
        if found and (resolved := self._from_catalogue(found, search, tier, multipliers)):
            return resolved
        if entry := search.find(self._additions):
            multiplier = self._multiplier(owner, tier, {**entry.service_tiers, **multipliers})
            return search.entry(entry, "costmeter", tier, multiplier)
        return search.result(None, _ONE, "")

    def listed(self, time_ns: int) -> Iterator[tuple[str, str, Resolved]]:
        """Yield provider, model and standard prices of all that has a price at an instant.

        Models of the catalogue stand under its own names for them, which are not always names that
        the provider knows (``regional.anthropic.claude-opus-5`` for all of Bedrock's regions).
        """
        seen = set()
        for own in (self._overrides, self._corrections, self._additions):
            for entry in own.entries(time_ns):
                owner, name = entry.key
                resolved = self.resolve(owner, name, "", time_ns)
                if resolved.prices and entry.key not in seen:
                    seen.add(entry.key)
                    yield owner, name, resolved
        for model in self.catalogue.models():
            key = model.provider, model.info.id.lower()
            if key not in seen:
                search = _Search(model.provider, (key[1],), time_ns)
                resolved_or_none = self._from_catalogue(model, search, "", _NOTHING)
                if resolved_or_none:
                    yield *key, resolved_or_none

    def _from_catalogue(
        self, model: Model, search: _Search, tier: str, multipliers: Mapping[str, Decimal]
    ) -> Resolved | None:
        """Return a catalogue model's prices; None where it has none that usage can be priced by."""
        multiplier = self._configured(model.provider, tier, multipliers)
        flat = search.flat(model.info.id.lower())
        quote = self.catalogue.quote(
            model, "" if multiplier is not None else tier, search.time_ns, flat=flat
        )
        search.narrow(quote.start_ns, quote.end_ns)
        if quote.prices is None:
            return None
        price = f"genai-prices {self.catalogue.version}:{model.name}"
        if multiplier is None and quote.published:
            return search.result(quote.prices, _ONE, f"{price} {tier}")
        multiplier = self._multiplier(model.provider, tier, multipliers)
        return search.result(quote.prices, multiplier, price + _suffix(tier, multiplier))

    def _owner(self, provider: str) -> str:
        owner = catalogue_id(provider)
        settings = self._providers.get(owner)
        return catalogue_id(settings.same_as) if settings and settings.same_as else owner

    def _spelled(
        self, owner: str, provider: str, name: str
    ) -> tuple[tuple[str, ...], Model | None]:
        """Return the spellings that own entries are found by, and the catalogue's model.

        An entry for ``gpt-4o`` also means its dated versions, which providers answer with, unless
        the catalogue knows that a dated version is priced apart.
        """
        names = _spellings(name, (owner, provider.strip().lower()))
        undated = tuple(short for one in names if (short := _DATE.sub("", one)) != one)
        exact = self.catalogue.find(owner, names)
        general = self.catalogue.find(owner, undated)
        if exact and general and exact.info is not general.info:
            return names, exact
        return (*names, *undated), exact or general

    def _configured(
        self, owner: str, tier: str, multipliers: Mapping[str, Decimal]
    ) -> Decimal | None:
        """Return what the configuration says of a tier of a model or its provider, if it does."""
        if not tier:
            return _ONE
        settings = self._providers.get(owner)
        of_provider = settings.service_tiers if settings else _NOTHING
        return multipliers.get(tier, of_provider.get(tier))

    def _multiplier(
        self, owner: str, tier: str, multipliers: Mapping[str, Decimal]
    ) -> Decimal | None:
        configured = self._configured(owner, tier, multipliers)
        if configured is not None:
            return configured
        return PUBLISHED.get(owner, _NOTHING).get(tier, self._general.get(tier))


class _Search:
    """One search through the sources: the names asked for, and when its answer holds."""

    def __init__(self, owner: str, names: tuple[str, ...], time_ns: int) -> None:
        self._owner = owner
        self._names = names
        self.time_ns = time_ns
        self._start_ns = 0
        self._end_ns = FOREVER_NS

    def narrow(self, start_ns: int, end_ns: int) -> None:
        self._start_ns = max(self._start_ns, start_ns)
        self._end_ns = min(self._end_ns, end_ns)

    def find(self, entries: OwnPrices) -> ModelPrices | None:
        found = entries.find(self._owner, self._names, self.time_ns)
        self.narrow(found.start_ns, found.end_ns)
        return found.entry

    def flat(self, model: str) -> bool:
        """Tell whether a catalogue model's windows of the day do not hold now."""
        flat, start_ns, end_ns = own_data().is_flat(self._owner, (model,), self.time_ns)
        self.narrow(start_ns, end_ns)
        return flat

    def entry(
        self, entry: ModelPrices, label: str, tier: str, multiplier: Decimal | None
    ) -> Resolved:
        price = f"{label}:{entry.provider}/{entry.model}"
        if entry.from_:
            price += f"@{entry.from_:%Y-%m-%d}"
        return self.result(entry.prices(), multiplier, price + _suffix(tier, multiplier))

    def result(self, prices: Prices | None, multiplier: Decimal | None, price: str) -> Resolved:
        if prices is None or multiplier is None:
            return Resolved(None, _ONE, "", self._start_ns, self._end_ns)
        return Resolved(prices, multiplier, price, self._start_ns, self._end_ns)


class _Aliases:
    """Aliases, exact names before patterns, patterns in the order they were written."""

    def __init__(self, aliases: Mapping[str, Alias]) -> None:
        self._exact = {name.strip().lower(): alias for name, alias in aliases.items()}
        self._patterns = {n: alias for n, alias in self._exact.items() if "*" in n or "?" in n}

    def find(self, owner: str, name: str) -> Alias | None:
        exact = self._exact.get(name)
        if exact is not None and _meant(exact, owner):
            return exact
        for pattern, alias in self._patterns.items():
            if fnmatchcase(name, pattern.replace("[", "[[]")) and _meant(alias, owner):
                return alias
        return None


def _meant(alias: Alias, owner: str) -> bool:
    return not alias.when_provider or catalogue_id(alias.when_provider) == owner


def _suffix(tier: str, multiplier: Decimal | None) -> str:
    return f" {tier} x{multiplier}" if tier else ""


def _spellings(name: str, providers: tuple[str, ...]) -> tuple[str, ...]:
    """Return a model's name, without a path (``models/…``), without its provider (``openai/…``)."""
    spellings = [name]
    if short := _PATH.sub("", name):
        spellings.append(short)
    spellings += [
        name[len(provider) + 1 :] for provider in providers if name.startswith(f"{provider}/")
    ]
    return tuple(dict.fromkeys(spellings))
