"""The price book: charges events, and keeps its prices fresh without ever failing anyone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.errors import PricingError
from costmeter.names import TOKEN_TYPES
from costmeter.pricing.catalogue import Catalogue
from costmeter.pricing.charge import Charge
from costmeter.pricing.prices import Prices, TokenPrices, token_price
from costmeter.pricing.providers import catalogue_id
from costmeter.pricing.refresh import Published, fetch, keep, kept
from costmeter.pricing.resolve import Resolved, Resolver
from costmeter.pricing.schema import PricesConfig
from costmeter.pricing.tariff import FOREVER_NS, Priced, Tariff, Unpriced
from costmeter.units import NANO

MAX_TARIFFS: Final = 10_000
"""Tariffs kept at once. Names of models come from strangers, so there is a limit."""

_TEXT_TYPES: Final = ("input", "cache_read", "cache_write", "output", "reasoning")

_Key = tuple[str, str, str]
_log = logging.getLogger(__name__)


class Listed(NamedTuple):
    """A line of a price list.

    Attributes:
        provider: the provider, by the catalogue's id.
        model: the model, or the pattern that an entry of ours is for.
        usd_per_million: US dollars per million tokens by type, of a request of ordinary length.
        long_context_above: input tokens beyond which another price holds; None where none does.
        price: what priced it, as :attr:`Charge.price` has it.
    """

    provider: str
    model: str
    usd_per_million: dict[str, Decimal]
    long_context_above: int | None
    price: str


class _Edition:
    """One resolver, and the tariffs that were compiled from it."""

    __slots__ = ("older", "resolver", "tariffs")

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.tariffs: dict[_Key, Tariff] = {}
        self.older: dict[_Key, dict[int, Tariff]] = {}

    def tariff(self, key: _Key, time_ns: int) -> Tariff:
        """Return the tariff in force at an instant, compiled now unless it is known.

        Prices with windows of the day change several times a day and events come out of order, so
        tariffs of other times are kept too.
        """
        time_ns = min(max(time_ns, 0), FOREVER_NS - 1)
        known = self.older.get(key, {})
        for tariff in known.values():
            if tariff.start_ns <= time_ns < tariff.end_ns:
                self.tariffs[key] = tariff
                return tariff
        if len(self.tariffs) >= MAX_TARIFFS or len(known) >= 100:
            self.tariffs, self.older, known = {}, {}, {}
        tariff = _compile(self.resolver.resolve(*key, time_ns))
        self.older[key] = {**known, tariff.start_ns: tariff}
        self.tariffs[key] = tariff
        return tariff


def _compile(resolved: Resolved) -> Tariff:
    if resolved.prices is None:
        return Unpriced(resolved.start_ns, resolved.end_ns)
    return Priced(
        resolved.prices, resolved.price, resolved.multiplier, resolved.start_ns, resolved.end_ns
    )


class PriceBook:
    """Prices of every model: overrides, the catalogue, our own data.

    Safe for threads: :meth:`charge` may run while :meth:`refresh` does; the new prices are put in
    place whole, or not at all.

    Attributes:
        confirmed_ns: when the prices in use were last seen to be the published ones, in
            nanoseconds since 1970. For the bundled catalogue, which has no date of its own, the
            day of the newest price in it.
        problem: why the last refresh failed; empty where it did not.
    """

    def __init__(
        self,
        config: PricesConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        predecessor: PriceBook | None = None,
    ) -> None:
        """Use the prices of a predecessor, or those that were kept, or the bundled ones.

        Args:
            config: the configuration.
            clock: tells how old prices are.
            predecessor: the book that this one replaces when the configuration is read again.
        """
        self._config = config
        self._clock = clock
        self._refreshing = threading.Lock()
        self._published: Published | None = None
        self.problem = ""
        catalogue = self._last_good(predecessor)
        if catalogue is None:
            catalogue = Catalogue.bundled()
            self.confirmed_ns = catalogue.newest_price_ns(clock.now_ns())
        self._edition = _Edition(Resolver(config, catalogue))

    def _last_good(self, predecessor: PriceBook | None) -> Catalogue | None:
        """Return the catalogue that was published last, as far as this machine knows."""
        if self._config.refresh is None:
            return None
        published = predecessor._published if predecessor else None
        if predecessor and published and published.url == self._config.url:
            self._published, self.confirmed_ns = published, published.confirmed_ns
            return predecessor._edition.resolver.catalogue
        if self._config.cache_file is None:
            return None
        published = kept(self._config.cache_file, self._config.url)
        if published is None:
            return None
        try:
            catalogue = Catalogue.parse(published.body)
        except PricingError as error:
            _log.warning("the kept prices are not used: %s", error)
            return None
        self._published, self.confirmed_ns = published, published.confirmed_ns
        return catalogue

    @property
    def version(self) -> str:
        """The version of the catalogue in use."""
        return self._edition.resolver.catalogue.version

    @property
    def origin(self) -> str:
        """Where the catalogue in use is from: ``bundled`` or ``refreshed``."""
        return self._edition.resolver.catalogue.origin

    @property
    def due(self) -> bool:
        """Whether it is time to :meth:`refresh`."""
        if self._config.refresh is None:
            return False
        if self._published is None:
            return True
        age_ns = self._clock.now_ns() - self.confirmed_ns
        return not 0 <= age_ns < self._config.refresh.total_seconds() * NANO

    def charge(
        self,
        provider: str,
        model: str,
        service_tier: str,
        usage: dict[str, int],
        time_ns: int,
    ) -> Charge | None:
        """Return what one request cost at the price of its own time.

        Args:
            provider: OpenTelemetry's ``gen_ai.provider.name``, or the catalogue's id.
            model: the model that answered, as the provider names it, or an alias.
            service_tier: the provider's service tier, or empty.
            usage: whole numbers, not negative, by :data:`costmeter.usage.USAGE_KEYS`.
            time_ns: when it ended, in nanoseconds since 1970.

        Returns:
            The cost; None where the model, its service tier or something used has no price.
        """
        return self.tariff(provider, model, service_tier, time_ns).charge(usage)

    def tariff(self, provider: str, model: str, service_tier: str, time_ns: int) -> Tariff:
        """Return how requests are charged that end at an instant; for the arguments see charge."""
        key = (provider, model, service_tier)
        edition = self._edition
        tariff = edition.tariffs.get(key)
        if tariff is None or not tariff.start_ns <= time_ns < tariff.end_ns:
            tariff = edition.tariff(key, time_ns)
        return tariff

    def prices_of(self, provider: str, model: str, at_ns: int) -> dict[str, Decimal] | None:
        """Return US dollars per million tokens by type, for a request of ordinary length.

        Types of text (``input``, ``cache_read``, ``cache_write``, ``output``, ``reasoning``) have
        the price they are charged at; audio and images are there only with a price of their own.

        Returns:
            Prices by :data:`costmeter.names.TOKEN_TYPES`; None where there is no price.
        """
        resolved = self._edition.resolver.resolve(provider, model, "", at_ns)
        return None if resolved.prices is None else _by_type(resolved.prices.tokens)

    def canonical(self, provider: str, model: str) -> tuple[str, str]:
        """Return the catalogue's id of a provider and a model's name, aliases followed."""
        return self._edition.resolver.canonical(provider, model)

    def listed(self, at_ns: int, provider: str = "") -> Iterator[Listed]:
        """Yield every model with a price at an instant, of one provider or of all of them."""
        wanted = catalogue_id(provider)
        for owner, model, resolved in self._edition.resolver.listed(at_ns):
            if wanted in ("", owner):
                yield _line(owner, model, resolved)

    def line(self, provider: str, model: str, at_ns: int) -> Listed | None:
        """Return a model's line of the price list at an instant; None where there is no price."""
        resolved = self._edition.resolver.resolve(provider, model, "", at_ns)
        if resolved.prices is None:
            return None
        return _line(*self.canonical(provider, model), resolved)

    def refresh(self) -> bool:
        """Fetch the published catalogue and use it; keep the last good one where that fails.

        Never raises: :attr:`problem` says what went wrong, :attr:`confirmed_ns` how old the prices
        in use are. A second call while one is under way returns False at once.

        Returns:
            Whether the prices in use are now the published ones.
        """
        if not self._refreshing.acquire(blocking=False):
            return False
        try:
            self._use_published()
        except PricingError as error:
            if self.problem != str(error):
                _log.warning("prices stay as they are: %s", error)
            self.problem = str(error)
            return False
        else:
            self.problem = ""
            return True
        finally:
            self._refreshing.release()

    def _use_published(self) -> None:
        last = self._published
        url = self._config.url
        timeout = self._config.timeout.total_seconds()
        body, etag = fetch(url, last.etag if last else "", timeout)
        now_ns = self._clock.now_ns()
        if last is not None and body in {None, last.body}:
            published = last._replace(etag=etag, confirmed_ns=now_ns)
        else:
            published = Published(url, etag, now_ns, body or b"")
            self._edition = _Edition(Resolver(self._config, Catalogue.parse(published.body)))
        self._published = published
        self.confirmed_ns = now_ns
        if self._config.cache_file is not None:
            keep(self._config.cache_file, published)


def _line(provider: str, model: str, resolved: Resolved) -> Listed:
    prices = resolved.prices or Prices()
    above = prices.above[0][0] if prices.above else None
    return Listed(provider, model, _by_type(prices.tokens), above, resolved.price)


def _by_type(tokens: TokenPrices) -> dict[str, Decimal]:
    prices = {
        kind: token_price(tokens, kind)
        for kind in TOKEN_TYPES
        if kind in _TEXT_TYPES or kind in tokens
    }
    return {kind: price for kind, price in prices.items() if price is not None}
