"""Recording usage: from keyword arguments to one JSON array in the journal.

What can go wrong with a value goes wrong here and not in the application: a figure that money
depends on and that makes no sense costs its event (counted, and logged once), anything else is
brought into shape. Only a missing argument raises, as with any function.
"""

from __future__ import annotations

import operator
from contextlib import suppress
from functools import wraps
from math import trunc
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

import msgspec

from costmeter.errors import UsageError
from costmeter.instrumentation.boundary import attempt, spared
from costmeter.instrumentation.context import attribution, clipped, fitting
from costmeter.instrumentation.reserved import reserved, take
from costmeter.journal import process
from costmeter.units import NANO, usd_to_nano
from costmeter.usage import (
    MAX_COST_NANO_USD,
    MAX_DURATION_NS,
    MAX_NAME_LENGTH,
    MAX_QUANTITY,
    MAX_VALUE_LENGTH,
    USAGE_KEYS,
    RecordedUsage,
    UsageEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    Usd = Decimal | float | str

_P = ParamSpec("_P")

_MAX_SECONDS: Final = MAX_DURATION_NS / NANO
_encode: Final = msgspec.json.Encoder().encode


class _Usage(msgspec.Struct, gc=False):
    """What most calls of a model use: encodes faster than a dict."""

    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int


def _at_once(careful: Callable[_P, None]) -> Callable[_P, None]:
    """Have calls that tell no more than most do recorded at once, and only others with care.

    The parameters that most have are the first of both, in the same order. All others cost nothing
    where they do not come.
    """
    with_care: Callable[..., None] = careful

    @wraps(careful)
    def record_llm(  # noqa: PLR0917 - keyword-only ones take longer to fill in
        provider: str,
        model: str,
        operation: str = "chat",
        input_tokens: int = 0,
        cache_read_tokens: int = 0,
        output_tokens: int = 0,
        reasoning_tokens: int = 0,
        duration_seconds: float = 0.0,
        status: str = "ok",
        service_tier: str = "",
        **more: Any,
    ) -> None:
        try:
            duration_ns = trunc(duration_seconds * 1e9)
            if (
                not more
                # All counts are whole numbers and none is negative.
                and input_tokens | cache_read_tokens | output_tokens | reasoning_tokens >= 0
                and 0.0 <= duration_seconds <= _MAX_SECONDS
                and provider
                and model
                and service_tier is not None
                and ((held := reserved.get()) is None or not held.reservation)
            ):
                scope = attribution.get()
                event: tuple[object, ...] = (
                    time_ns(),
                    operation,
                    provider,
                    model,
                    scope.encoded,
                    _Usage(input_tokens, cache_read_tokens, output_tokens, reasoning_tokens),
                    1,
                    1,
                    duration_ns,
                    status,
                    service_tier,
                )  # the fields after these keep their defaults
                if request := scope.request:
                    event += (None, False, request)
                process.journal.write(_encode(event))
                return
        except Exception:  # noqa: BLE001, S110 - a count of numpy's type, say: the careful way tells
            pass
        with_care(
            provider,
            model,
            operation,
            input_tokens,
            cache_read_tokens,
            output_tokens,
            reasoning_tokens,
            duration_seconds,
            status,
            service_tier,
            **more,
        )

    return cast("Callable[_P, None]", record_llm)


@_at_once
def record_llm(  # noqa: PLR0917 - the first are those that most calls have
    provider: str,
    model: str,
    operation: str = "chat",
    input_tokens: int = 0,
    cache_read_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    duration_seconds: float = 0.0,
    status: str = "ok",
    service_tier: str = "",
    *,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    input_audio_tokens: int = 0,
    cache_audio_read_tokens: int = 0,
    input_image_tokens: int = 0,
    output_audio_tokens: int = 0,
    output_image_tokens: int = 0,
    images: int = 0,
    web_searches: int = 0,
    input_audio_seconds: int = 0,
    input_characters: int = 0,
    search_units: int = 0,
    output_video_seconds: int = 0,
    file_searches: int = 0,
    container_sessions: int = 0,
    training_tokens: int = 0,
    input_pages: int = 0,
    annotated_pages: int = 0,
    classifications: int = 0,
    cached_token_seconds: int = 0,
    text_units: int = 0,
    cost_usd: Usd | None = None,
    estimated: bool = False,
    **attributes: object,
) -> None:
    """Record one call of a model. Pass everything by name.

    Args:
        provider: OpenTelemetry's ``gen_ai.provider.name``: ``openai``, ``anthropic``, …
        model: the model that answered, as the provider names it.
        operation: OpenTelemetry's ``gen_ai.operation.name``: ``chat``, ``embeddings``, …
        input_tokens: all input tokens, cached ones, audio and images included.
        cache_read_tokens: those of them that were read from the provider's cache.
        output_tokens: all output tokens, reasoning, audio and images included.
        reasoning_tokens: those of them spent on reasoning.
        duration_seconds: how long the call took.
        status: ``ok`` or the kind of error: ``rate_limited``, ``timeout``, …
        service_tier: the provider's service tier: ``batch``, ``flex``, ``priority``; or empty.
        cache_write_tokens: those input tokens that were written to the provider's cache.
        cache_write_1h_tokens: those written tokens that are kept for an hour.
        input_audio_tokens: those input tokens that are audio.
        cache_audio_read_tokens: those audio tokens that were read from the cache.
        input_image_tokens: those input tokens that are images.
        output_audio_tokens: those output tokens that are audio.
        output_image_tokens: those output tokens that are images.
        images: images made, where the provider charges by the piece.
        web_searches: searches made by the provider's own tool.
        input_audio_seconds: audio that is billed by time, in whole seconds.
        input_characters: characters of text to be spoken.
        search_units: search units of a reranking: queries with up to a hundred documents each.
        output_video_seconds: film that was made, in whole seconds.
        file_searches: searches of files made by the provider's own tool.
        container_sessions: containers that the provider started to run code in.
        training_tokens: tokens that a model was trained with; they are no input tokens.
        input_pages: pages whose text was read, without those that are ``annotated_pages``.
        annotated_pages: pages that were read and described in a form that the request gives.
        classifications: texts that were put into classes.
        cached_token_seconds: tokens in a cache times the seconds that they are kept.
        text_units: thousands of characters, begun ones too, that a guardrail has looked through.
        cost_usd: what it cost, where the application knows; otherwise the sidecar prices it.
        estimated: the usage was counted locally, not reported by the provider.
        **attributes: whom it was for, beyond what :func:`costmeter.attribute` says.
    """
    given = locals()
    _record(
        operation,
        provider,
        model,
        {key: given[key] for key in USAGE_KEYS},
        attributes,
        duration_seconds=duration_seconds,
        status=status,
        service_tier=service_tier,
        cost_usd=cost_usd,
        estimated=estimated,
    )


def record_request(endpoint: str, provider: str, cost_usd: Usd, **attributes: object) -> None:
    """Record the cost of a request to the application, where the application knows it.

    It counts as spend and in the histogram of cost per request, not as a call of the provider.

    Args:
        endpoint: what was requested of the application, as in ``/v1/chat``.
        provider: who is paid.
        cost_usd: what the request cost, in US dollars.
        **attributes: whom it was for, beyond what :func:`costmeter.attribute` says.
    """
    _record(
        "request",
        provider,
        "",
        {},
        {**attributes, "endpoint": endpoint},
        calls=0,
        cost_usd=cost_usd,
    )


def record_api_call(provider: str, model: str, status: str = "ok", **attributes: object) -> None:
    """Count one call of a provider's API whose cost is recorded elsewhere.

    Args:
        provider: whose API was called.
        model: the model that was called; empty where there is none.
        status: ``ok`` or the kind of error: ``rate_limited``, ``timeout``, …
        **attributes: whom it was for, beyond what :func:`costmeter.attribute` says.
    """
    _record("api_call", provider, model, {}, attributes, requests=0, status=status, cost_usd=0)


def record_tokens(
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    **attributes: object,
) -> None:
    """Count tokens whose cost is recorded elsewhere.

    Args:
        provider: whose tokens they are.
        model: the model that they went through.
        input_tokens: all input tokens.
        output_tokens: all output tokens.
        **attributes: whom it was for, beyond what :func:`costmeter.attribute` says.
    """
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    _record("tokens", provider, model, usage, attributes, calls=0, requests=0, cost_usd=0)


@spared
def _record(
    operation: str,
    provider: str,
    model: str,
    usage: dict[str, int],
    attributes: dict[str, object],
    *,
    calls: int = 1,
    requests: int = 1,
    duration_seconds: float = 0.0,
    status: str = "ok",
    service_tier: str = "",
    cost_usd: Usd | None = None,
    estimated: bool = False,
) -> None:
    """Bring an event into shape and store it.

    Raises:
        UsageError: a count or the cost makes no sense.
    """
    if not provider:
        raise UsageError(f"provider: {provider!r} is no name; the event is dropped")
    scope = attribution.get()
    if attributes:
        scope = scope.within(fitting(attributes))
    counts = {key: _count(key, value) for key, value in usage.items() if value}
    event = (
        time_ns(),
        clipped(operation, MAX_NAME_LENGTH),
        clipped(provider, MAX_NAME_LENGTH),
        clipped(model or "", MAX_VALUE_LENGTH),
        scope.encoded,
        counts,
        calls,
        requests,
        attempt(_duration_ns, duration_seconds, default=0),
        clipped(status, MAX_NAME_LENGTH),
        clipped(service_tier or "", MAX_NAME_LENGTH),
        None if cost_usd is None else _cost_nano_usd(cost_usd),
        bool(estimated),
        scope.request,
        "" if cost_usd == 0 else take(),
    )
    process.journal.write(_encode(event))


def end_request(request: str) -> None:
    """Say that a request to the application is over: all that named it is one observation."""
    write(UsageEvent(time_ns(), "request", "", "", {}, {}, calls=0, requests=0, request=request))


def write(event: UsageEvent | RecordedUsage) -> None:
    """Store an event as it is."""
    process.journal.write(_encode(event))


def _count(key: str, value: int) -> int:
    """Return a count as an int; 3.0 is 3."""
    try:
        count = operator.index(value)
    except TypeError:
        count = _whole(key, value)
    if not 0 <= count <= MAX_QUANTITY:
        raise UsageError(
            f"{key}: {count} is not between 0 and {MAX_QUANTITY}; the event is dropped"
        )
    return count


def _whole(key: str, value: Any) -> int:
    """Return a number that is whole as an int."""
    with suppress(TypeError, ValueError, OverflowError):
        count = int(value)
        if count == value:
            return count
    raise UsageError(f"{key}: {value!r} is no whole number; the event is dropped")


def _duration_ns(seconds: float) -> int:
    """Return a duration in nanoseconds."""
    duration_ns = float(seconds) * NANO
    if not 0 <= duration_ns <= MAX_DURATION_NS:
        raise UsageError(f"duration_seconds: {seconds!r} is not between 0 and 30 days; 0 is taken")
    return int(duration_ns)


def _cost_nano_usd(usd: Usd) -> int:
    """Return a cost in nano-dollars."""
    try:
        cost = usd_to_nano(usd)
    except (ArithmeticError, ValueError):
        raise UsageError(f"cost_usd: {usd!r} is no amount of money; the event is dropped") from None
    if not 0 <= cost <= MAX_COST_NANO_USD:
        raise UsageError(f"cost_usd: {usd!r} is not between 0 and 10^6; the event is dropped")
    return cost
