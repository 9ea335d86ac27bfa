"""Prices compiled to integers: what charges an event in about a microsecond."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import compress
from typing import Final, Protocol

from costmeter.names import COMPONENTS
from costmeter.pricing.charge import Charge
from costmeter.pricing.prices import PIECES, Prices, TokenPrices, token_price
from costmeter.pricing.tokens import KINDS, count
from costmeter.units import NANO

FOREVER_NS: Final = 1 << 63
"""The end of a validity without an end, in nanoseconds since 1970: the year 2262."""

_MILLION: Final = 1_000_000
_TEXT: Final = ("input", "cache_read", "output", "reasoning")
"""The kinds that most requests consist of."""
_IS_INPUT: Final = tuple("output" not in kind and kind != "reasoning" for kind in KINDS)
"""Which of :data:`costmeter.pricing.tokens.KINDS` make the length of a request."""
_COMPONENTS: Final = (
    "input",
    "cache_read",
    "cache_read",
    "cache_write",
    "cache_write",
    "output",
    "reasoning",
    "audio",
    "audio",
    "image",
    "image",
)
"""The component that each of :data:`costmeter.pricing.tokens.KINDS` is charged under."""


_FREE: Final = (("request", 0),)


class Tariff(Protocol):
    """How to charge what a provider's model used, from ``start_ns`` until ``end_ns``."""

    start_ns: int
    end_ns: int
    price: str

    def charge(self, usage: Mapping[str, int]) -> Charge | None:
        """Return the cost of one request; None where something in it has no price."""
        ...

    def charge_text(
        self, fresh: int, reads: int, written: int, reasoning: int
    ) -> tuple[int, int, int, int] | None:
        """Return the cost of one request of text, the short way.

        Args:
            fresh: input tokens without cached ones.
            reads: input tokens read from a cache.
            written: output tokens without reasoning.
            reasoning: output tokens spent on reasoning.

        Returns:
            Nano-dollars for each of the four; None where it takes :meth:`charge` to tell.
        """
        ...


def charge_known(tariff: Tariff, usage: Mapping[str, int]) -> Charge | None:
    """Return the cost of what has a price in a usage; None where nothing has one that costs.

    Tokens have one all together, anything else by itself: where a request cannot tell whether its
    answer is billed by tokens or by the piece, its usage has both.
    """
    if (whole := tariff.charge(usage)) is not None:
        return whole
    tokens = {key: number for key, number in usage.items() if key not in PIECES}
    pieces = ({key: number} for key, number in usage.items() if key in PIECES)
    known: dict[str, int] = {}
    for part in (tokens, *pieces):
        if tariff.charge(part) is not None:
            known |= part
    charge = tariff.charge(known)
    return charge if charge is not None and charge.nano_usd else None


class Unpriced:
    """The tariff of a model without a price."""

    __slots__ = ("end_ns", "price", "start_ns")

    def __init__(self, start_ns: int = 0, end_ns: int = FOREVER_NS) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.price = ""

    def charge(self, usage: Mapping[str, int]) -> None:  # noqa: ARG002 - the tariff's signature
        """Return None: there is no price."""
        return

    def charge_text(self, fresh: int, reads: int, written: int, reasoning: int) -> None:  # noqa: ARG002
        """Return None: there is no price."""
        return


class Priced:
    """The tariff of a model with prices.

    Amounts of a bracket are integers over one denominator, ``scale``: for most models 1, since most
    prices are whole nano-dollars per token. So a component is summed exactly and rounded once, half
    to even.
    """

    __slots__ = ("_above", "_base", "end_ns", "price", "start_ns")

    def __init__(
        self,
        prices: Prices,
        price: str,
        multiplier: Decimal = Decimal(1),
        start_ns: int = 0,
        end_ns: int = FOREVER_NS,
    ) -> None:
        """Compile prices.

        Args:
            prices: the prices in force.
            price: how :attr:`Charge.price` names them.
            multiplier: what the service tier multiplies prices with. Fees per request, per search
                and per search unit stay as they are.
            start_ns: from when they are in force, in nanoseconds since 1970.
            end_ns: when they are no longer.
        """
        self.price = price
        self.start_ns = start_ns
        self.end_ns = end_ns
        self._base = _Bracket(prices, prices.tokens, multiplier)
        # The longest context first: the first that a request exceeds is its bracket.
        self._above = tuple(
            (limit, _Bracket(prices, tokens, multiplier))
            for limit, tokens in sorted(prices.above, reverse=True)
        )

    def charge(self, usage: Mapping[str, int]) -> Charge | None:
        """Return the cost of one request; None where something in it has no price."""
        counts = count(usage)
        bracket = self._bracket(sum(compress(counts, _IS_INPUT)))
        components = bracket.components(counts, usage)
        return None if components is None else Charge(components, self.price)

    def charge_text(
        self, fresh: int, reads: int, written: int, reasoning: int
    ) -> tuple[int, int, int, int] | None:
        """Return nano-dollars for each of the four; None where it takes :meth:`charge` to tell."""
        bracket = self._bracket(fresh + reads) if self._above else self._base
        if bracket.text is None:
            return None
        per_fresh, per_read, per_written, per_reasoning = bracket.text
        amounts = (
            fresh * per_fresh,
            reads * per_read,
            written * per_written,
            reasoning * per_reasoning,
        )
        if bracket.scale == 1:
            return amounts
        first, second, third, fourth = (_rounded(amount, bracket.scale) for amount in amounts)
        return first, second, third, fourth

    def _bracket(self, length: int) -> _Bracket:
        for limit, bracket in self._above:
            if length > limit:
                return bracket
        return self._base


class _Bracket:
    """Amounts of one context length, in nano-dollars times ``scale``."""

    __slots__ = (
        "_amounts",
        "_fee",
        "_free",
        "_only_fee",
        "_pieces",
        "scale",
        "text",
    )

    def __init__(self, prices: Prices, tokens: TokenPrices, multiplier: Decimal) -> None:
        factor = Fraction(multiplier)
        exact = [_nano(token_price(tokens, kind), factor / _MILLION) for kind in KINDS]
        exact += [
            _nano(prices.pieces.get(of.price), of.share * (1 if of.fixed else factor))
            for of in PIECES.values()
        ]
        exact.append(_nano(prices.request))
        self.scale = math.lcm(*(amount.denominator for amount in exact if amount is not None))
        whole = [None if amount is None else int(amount * self.scale) for amount in exact]
        self._amounts = tuple(zip(_COMPONENTS, whole[: len(KINDS)], strict=True))
        self._pieces = dict(zip(PIECES, whole[len(KINDS) : -1], strict=True))
        self._fee = whole[-1] or 0
        self._only_fee = not any(amount is not None for amount in whole[:-1])
        self._free = not any(whole)
        text = [amount for kind in _TEXT if (amount := whole[KINDS.index(kind)]) is not None]
        self.text = tuple(text) if len(text) == len(_TEXT) and not self._fee else None

    def components(
        self, counts: tuple[int, ...], usage: Mapping[str, int]
    ) -> tuple[tuple[str, int], ...] | None:
        """Return nano-dollars by component; None where something used has no price."""
        # The kinds are in the order of their components, and so is what is summed here.
        sums: dict[str, int] = {}
        for (component, amount), tokens in zip(self._amounts, counts, strict=True):
            if tokens:
                if amount is None:
                    return None
                sums[component] = sums.get(component, 0) + tokens * amount
        if not PIECES.keys().isdisjoint(usage):
            if not self._add_pieces(sums, usage):
                return None
            sums = dict(sorted(sums.items(), key=lambda each: COMPONENTS.index(each[0])))
        if self._fee and (self._only_fee or any(usage.values())):
            sums["request"] = sums.get("request", 0) + self._fee
        elif self._free and not any(usage.values()):
            return _FREE  # whatever it was that nobody told
        return tuple(
            (component, nano)
            for component, amount in sums.items()
            if (nano := _rounded(amount, self.scale))
        )

    def _add_pieces(self, sums: dict[str, int], usage: Mapping[str, int]) -> bool:
        """Add what is no tokens; False where something was used that has no price."""
        for key, of in PIECES.items():
            if not (number := usage.get(key, 0)):
                continue
            amount = self._pieces[key]
            if amount is not None:
                sums[of.component] = sums.get(of.component, 0) + number * amount
            elif key != "images" or not usage.get("output_tokens"):
                return False  # images without a price each are billed by their tokens
        return True


def _nano(usd: Decimal | None, factor: Fraction = Fraction(1)) -> Fraction | None:
    return None if usd is None else Fraction(usd) * factor * NANO


def _rounded(amount: int, scale: int) -> int:
    """Return an amount divided by ``scale``, rounded half to even."""
    nano, rest = divmod(amount, scale)
    return nano + (2 * rest > scale or (2 * rest == scale and nano & 1))
