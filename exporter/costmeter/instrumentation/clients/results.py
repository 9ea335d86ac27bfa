"""Records what answers tell: what a call used, and what other models used beside it."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from costmeter.instrumentation import boundary, record
from costmeter.instrumentation.context import Attribution, clipped
from costmeter.usage import (
    MAX_DURATION_NS,
    MAX_NAME_LENGTH,
    MAX_VALUE_LENGTH,
    RecordedUsage,
)

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.reading import Reading


def record_result(
    operation: str,
    provider: str,
    told: Reading,
    identity: str,
    scope: Attribution,
    *,
    reservation: str = "",
    duration_ns: int = 0,
    first_chunk_ns: int = 0,
) -> None:
    """Record what somebody may tell more than once, as one call.

    Args:
        operation: OpenTelemetry's ``gen_ai.operation.name``.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
        told: what it used.
        identity: what it is known by.
        scope: for whom it is.
        reservation: what the gate had set aside for it.
        duration_ns: how long it took, in nanoseconds; 0 where not known.
        first_chunk_ns: time to its first chunk, likewise.
    """
    record.write(
        RecordedUsage(
            time_ns=time_ns(),
            operation=operation,
            provider=provider,
            model=clipped(told.model, MAX_VALUE_LENGTH),
            attributes=scope.encoded,
            usage=told.usage or {},
            status=told.status,
            service_tier=clipped(told.service_tier, MAX_NAME_LENGTH),
            duration_ns=min(duration_ns, MAX_DURATION_NS),
            request=scope.request,
            reservation=reservation,
            identity=identity,
            first_chunk_ns=min(first_chunk_ns, MAX_DURATION_NS),
        )
    )
    record_beside(operation, provider, told, scope, identity)


def record_beside(
    operation: str, provider: str, told: Reading, scope: Attribution, identity: str = ""
) -> None:
    """Record what other models used in a call, as events that are none, and what was odd in it.

    Args:
        operation: OpenTelemetry's ``gen_ai.operation.name``.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
        told: what the answer tells.
        scope: for whom it is.
        identity: what the call is known by, or empty.
    """
    for number, other in enumerate(told.others):
        record.write(
            RecordedUsage(
                time_ns=time_ns(),
                operation=operation,
                provider=provider,
                model=clipped(other.model, MAX_VALUE_LENGTH),
                attributes=scope.encoded,
                usage=other.usage,
                calls=0,
                requests=0,
                service_tier=clipped(other.service_tier, MAX_NAME_LENGTH),
                request=scope.request,
                identity=other.known_by(provider, identity and f"{identity}#{number}"),
            )
        )
    for odd in told.odd:
        boundary.note(f"{provider} answered with {odd}")
