"""The section ``prices`` of ``costmeter.yml``: overrides, own models, aliases, service tiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from costmeter.pricing.prices import PIECES, Prices
from costmeter.pricing.providers import catalogue_id
from costmeter.schema import Duration, Section

DEFAULT_URL: Final = (
    "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main"
    "/prices/new_data/v2/data.json"
)
"""Where genai-prices publishes its catalogue. Source: ``genai_prices.update_prices``."""

_HIGHEST: Final = Decimal(1_000_000)


def _amount(value: object) -> Decimal:
    # YAML reads 0.15 as a float; it counts as the decimal number that was written.
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("an amount is a number, such as 0.15")  # noqa: TRY004 - for pydantic
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("an amount is a number, such as 0.15") from None
    if not (amount.is_finite() and 0 <= amount <= _HIGHEST):
        raise ValueError(f"an amount is from 0 to {_HIGHEST}")
    return amount


def _instant(value: object) -> object:
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("an instant is a date such as 2026-01-01, or a date and a time")  # noqa: TRY004
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _switched_off(value: object) -> object:
    return None if value is False or value == "off" else value  # YAML reads a bare off as false


def _tier_name(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Usd = Annotated[Decimal, BeforeValidator(_amount)]
"""An exact amount of US dollars, from 0 to a million."""

Instant = Annotated[datetime, BeforeValidator(_instant)]
"""A point in time; a date is its midnight in UTC, and so is a time without a zone in UTC."""

Multipliers = dict[Annotated[str, BeforeValidator(_tier_name), Field(min_length=1)], Usd]
"""What a service tier multiplies the standard prices with, by the tier's name."""


class UsdPerMillion(Section):
    """US dollars per million tokens, by kind. What is left out costs what its parent costs.

    ``cache_read``, ``cache_write``, ``input_audio`` and ``input_image`` cost what ``input`` costs
    where they are left out, ``cache_write_1h`` what ``cache_write`` costs, ``reasoning``,
    ``output_audio`` and ``output_image`` what ``output`` costs. Without ``output`` too, usage of
    such tokens has no price (an embedding model has no output).
    """

    input: Usd | None = None
    cache_read: Usd | None = None
    cache_audio_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    input_audio: Usd | None = None
    input_image: Usd | None = None
    output: Usd | None = None
    reasoning: Usd | None = None
    output_audio: Usd | None = None
    output_image: Usd | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.given():
            raise ValueError("no price is given")
        return self

    def given(self) -> dict[str, Decimal]:
        """Return the prices that are written, by kind."""
        return {kind: price for kind, price in self if price is not None}


class LongContext(Section):
    """Prices of all tokens of a request whose input is longer than ``above_input_tokens``."""

    above_input_tokens: int = Field(gt=0)
    usd_per_million: UsdPerMillion


class ModelPrices(Section):
    """Prices of a model: of one that the catalogue lacks, or instead of the catalogue's.

    Attributes:
        provider: the provider, by OpenTelemetry's name or the catalogue's.
        model: the model, or a pattern with ``*`` and ``?``. Case does not matter.
        from_: when the prices come into force (``from``); always, where left out.
        until: when they are no longer in force; open, where left out. A later entry of the same
            model ends an open one.
        local: the model runs on own machines: every price is an explicit 0.
        usd_per_million: prices of tokens.
        long_context: prices of requests with a longer input; kinds left out keep the price of
            ``usd_per_million``.
        usd_per_image: price of one generated image.
        usd_per_request: fee per request.
        usd_per_web_search: price of one web search.
        usd_per_audio_hour: price of an hour of audio that is read, where it is billed by time.
        usd_per_million_characters: price of text that is billed so: speech.
        usd_per_search_unit: price of one search unit: reranking.
        usd_per_video_second: price of a second of film.
        usd_per_file_search: price of one search of files.
        usd_per_container_session: price of one container to run code in.
        usd_per_million_training_tokens: price of training.
        usd_per_page: price of a page whose text is read.
        usd_per_annotated_page: price of a page that is annotated too.
        usd_per_classification: price of a text that is put into a class.
        usd_per_million_cached_token_hours: price of keeping a million tokens cached for an hour.
        usd_per_text_unit: price of a text unit that a guardrail looks through.
        service_tiers: multipliers of this model's service tiers; alone, of the catalogue's prices.
        source: where the prices are published.
        checked: when someone last compared them with the source.
    """

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    from_: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None
    local: bool = False
    usd_per_million: UsdPerMillion | None = None
    long_context: tuple[LongContext, ...] = ()
    usd_per_image: Usd | None = None
    usd_per_request: Usd | None = None
    usd_per_web_search: Usd | None = None
    usd_per_audio_hour: Usd | None = None
    usd_per_million_characters: Usd | None = None
    usd_per_search_unit: Usd | None = None
    usd_per_video_second: Usd | None = None
    usd_per_file_search: Usd | None = None
    usd_per_container_session: Usd | None = None
    usd_per_million_training_tokens: Usd | None = None
    usd_per_page: Usd | None = None
    usd_per_annotated_page: Usd | None = None
    usd_per_classification: Usd | None = None
    usd_per_million_cached_token_hours: Usd | None = None
    usd_per_text_unit: Usd | None = None
    service_tiers: Multipliers = Field(default_factory=dict)
    source: str = ""
    checked: date | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if self.local and (self.long_context or any(x is not None for x in self._written)):
            problems.append("local: true is a price of 0; it stands with no other price")
        if not self.priced and not self.service_tiers:
            problems.append("no price is given; a model on own machines has local: true")
        if self.long_context and self.usd_per_million is None:
            problems.append("long_context needs usd_per_million for shorter requests")
        limits = [tier.above_input_tokens for tier in self.long_context]
        if any(low >= high for low, high in pairwise(limits)):
            problems.append(f"long_context: above_input_tokens {limits} do not rise")
        if self.from_ and self.until and self.until <= self.from_:
            problems.append(f"until: {self.until:%Y-%m-%d} is not after from {self.from_:%Y-%m-%d}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def priced(self) -> bool:
        """Whether it gives prices; else it only gives multipliers for the catalogue's."""
        return self.local or any(price is not None for price in self._written)

    @property
    def _written(self) -> tuple[UsdPerMillion | Decimal | None, ...]:
        """The prices that an entry may give."""
        return (self.usd_per_million, self.usd_per_request, *self._pieces.values())

    @property
    def _pieces(self) -> dict[str, Decimal]:
        """The prices of what is no tokens that are written, by their names."""
        prices = {of.price: getattr(self, f"usd_per_{of.price}") for of in PIECES.values()}
        return {name: price for name, price in prices.items() if price is not None}

    @property
    def key(self) -> tuple[str, str]:
        """The provider's catalogue id and the model's name or pattern in small letters."""
        return catalogue_id(self.provider), self.model.strip().lower()

    def prices(self) -> Prices:
        """Return the prices for :class:`costmeter.pricing.tariff.Priced`."""
        zero = Decimal(0)
        if self.local:
            return Prices(
                tokens={"input": zero, "output": zero},
                pieces=dict.fromkeys((of.price for of in PIECES.values()), zero),
            )
        tokens = self.usd_per_million.given() if self.usd_per_million else {}
        return Prices(
            tokens=tokens,
            above=tuple(
                (tier.above_input_tokens, {**tokens, **tier.usd_per_million.given()})
                for tier in self.long_context
            ),
            pieces=self._pieces,
            request=self.usd_per_request or zero,
        )


class Alias(Section):
    """What an alias stands for.

    Attributes:
        model: the model's name at its provider.
        provider: the provider whose price it has; the event's own, where left out.
        when_provider: only events of this provider are meant; all, where left out.
    """

    model: str = Field(min_length=1)
    provider: str = ""
    when_provider: str = ""


class ProviderPrices(Section):
    """What is particular to a provider.

    Attributes:
        same_as: the provider whose prices it has, such as a gateway that passes them on.
        service_tiers: multipliers of its service tiers.
    """

    same_as: str = ""
    service_tiers: Multipliers = Field(default_factory=dict)


class PricesConfig(Section):
    """The section ``prices``.

    Attributes:
        refresh: how often the published catalogue is fetched; ``off`` keeps the bundled one.
        url: where it is fetched.
        timeout: how long fetching may take.
        cache_file: where the last good catalogue is kept over restarts; nowhere, where left out.
        models: own models and overrides; they come before the catalogue's.
        aliases: other names of models, or patterns, to what they stand for.
        service_tiers: multipliers for providers and models without one of their own.
        providers: what is particular to a provider, by its name.
    """

    refresh: Annotated[Duration | None, BeforeValidator(_switched_off)] = timedelta(minutes=30)
    url: str = DEFAULT_URL
    timeout: Duration = timedelta(seconds=10)
    cache_file: Path | None = None
    models: tuple[ModelPrices, ...] = ()
    aliases: dict[str, Alias] = Field(default_factory=dict)
    service_tiers: Multipliers = Field(default_factory=dict)
    providers: dict[str, ProviderPrices] = Field(default_factory=dict)

    @field_validator("refresh")
    @classmethod
    def _not_too_often(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(minutes=1):
            raise ValueError("prices are fetched once a minute at most")
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("an address begins with https:// or http://")
        return value

    @field_validator("aliases", mode="before")
    @classmethod
    def _short_alias(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {k: {"model": v} if isinstance(v, str) else v for k, v in value.items()}

    @field_validator("aliases")
    @classmethod
    def _one_step(cls, value: dict[str, Alias]) -> dict[str, Alias]:
        names = {name.lower() for name in value}
        problems = [
            f"{name}: {alias.model} is itself an alias; name the model"
            for name, alias in value.items()
            if alias.model.lower() in names - {name.lower()}
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if problems := conflicts(self.models):
            raise ValueError("; ".join(problems))
        return self


_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def conflicts(models: Sequence[ModelPrices]) -> list[str]:
    """Return a message for each pair of entries that price the same model at the same time."""
    by_key: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for index, entry in enumerate(models):
        by_key.setdefault(entry.key, []).append((entry.from_ or _BEGINNING, index))
    problems = []
    for (provider, model), entries in by_key.items():
        for (start, first), (next_start, second) in pairwise(sorted(entries)):
            until = models[first].until
            if start == next_start or (until is not None and until > next_start):
                problems.append(
                    f"models[{first}] and models[{second}] both price {provider}/{model}"
                    + (f" from {next_start:%Y-%m-%d}" if next_start != _BEGINNING else "")
                )
    return problems
