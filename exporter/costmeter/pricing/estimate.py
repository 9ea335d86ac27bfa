"""What a request would cost: the same prices and the same arithmetic as for one that was made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from costmeter.errors import PricingError
from costmeter.pricing.book import PriceBook
from costmeter.units import nano_to_usd


class Estimate(NamedTuple):
    """What a request would cost.

    Attributes:
        usd: exact US dollars by component, zeros left out.
        total_usd: their sum.
        price: which price was used.
    """

    usd: dict[str, Decimal]
    total_usd: Decimal
    price: str


def estimate(
    book: PriceBook,
    provider: str,
    model: str,
    usage: Mapping[str, int],
    *,
    service_tier: str = "",
    at_ns: int,
) -> Estimate:
    """Return what a request would cost. Makes no call and waits for nothing.

    Args:
        book: the prices.
        provider: OpenTelemetry's name of the provider, or the catalogue's.
        model: the model, or an alias.
        usage: whole numbers by :data:`costmeter.usage.USAGE_KEYS`.
        service_tier: the provider's service tier, or empty.
        at_ns: when it would be made, in nanoseconds since 1970.

    Raises:
        PricingError: the model, its service tier or something used has no price.
    """
    charge = book.charge(provider, model, service_tier, dict(usage), at_ns)
    if charge is None:
        raise PricingError(_why_not(book, provider, model, usage, service_tier, at_ns))
    usd = {component: nano_to_usd(amount) for component, amount in charge.components}
    return Estimate(usd, nano_to_usd(charge.nano_usd), charge.price)


async def estimate_async(
    book: PriceBook,
    provider: str,
    model: str,
    usage: Mapping[str, int],
    *,
    service_tier: str = "",
    at_ns: int,
) -> Estimate:
    """Return what :func:`estimate` returns, fetching prices first where they are due.

    The event loop runs on meanwhile. Prices that cannot be fetched are no error: the last good
    ones hold.

    Raises:
        PricingError: as for :func:`estimate`.
    """
    if book.due:
        await asyncio.to_thread(book.refresh)
    return estimate(book, provider, model, usage, service_tier=service_tier, at_ns=at_ns)


def _why_not(  # noqa: PLR0917 - the estimate's own parameters
    book: PriceBook,
    provider: str,
    model: str,
    usage: Mapping[str, int],
    service_tier: str,
    at_ns: int,
) -> str:
    owner, name = book.canonical(provider, model)
    if book.prices_of(provider, model, at_ns) is None:
        models = [line.model for line in book.listed(at_ns, owner)]
        if not models:
            return f"provider {provider!r} has no prices; see 'costmeter pricing'"
        near = get_close_matches(name, models, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return f"{owner}/{name} has no price{hint}"
    if service_tier and book.charge(provider, model, service_tier, {}, at_ns) is None:
        return f"{owner}/{name} has no price in the service tier {service_tier!r}"
    used = ", ".join(key for key, amount in usage.items() if amount)
    return f"{owner}/{name} has no price for some of {used}"
