"""One call of a provider's API, from its start to the usage event that it becomes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from costmeter.instrumentation import boundary, context, record
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.context import clipped
from costmeter.usage import MAX_DURATION_NS, MAX_NAME_LENGTH, MAX_VALUE_LENGTH, UsageEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.reading import Reader


class Call:
    """A call under way. It is recorded exactly once, whoever sees its end first.

    Where other models took part, each of them has an event beside it that is no call of its own.

    Whom it is for is settled when it starts: a stream may well be read to its end where that
    context is gone, as in a web framework that sends it on.
    """

    __slots__ = ("_attributes", "_ended", "_started_ns", "exact", "model", "operation", "provider")

    reader: Reader | None = None
    """Reads the answer, where it is not like those of most of the SDK's calls: kinds of calls that
    have one inherit from this class."""

    def __init__(self, *, operation: str, provider: str, model: str, exact: bool = False) -> None:
        """Start the clock.

        Args:
            operation: OpenTelemetry's ``gen_ai.operation.name``.
            provider: OpenTelemetry's ``gen_ai.provider.name``.
            model: the model asked for, which counts where the answer names none.
            exact: whether it counts in any case, because it tells more than the answer's name.
        """
        self.operation = operation
        self.provider = provider
        self.model = model
        self.exact = exact
        self._attributes = context.current()
        self._ended = False
        self._started_ns = time.monotonic_ns()

    def end(self, status: str, read: Callable[[], Reading] | None = None) -> None:
        """Record the call; a second end counts for nothing.

        A call whose response cannot be read is counted all the same: ``read`` may raise.
        """
        if self._ended:
            return
        self._ended = True
        duration_ns = time.monotonic_ns() - self._started_ns
        reading = NOTHING if read is None else boundary.attempt(read, default=NOTHING)
        boundary.attempt(self._record, status, reading, duration_ns, default=None)

    def _record(self, status: str, reading: Reading, duration_ns: int) -> None:
        for odd in reading.odd:
            boundary.note(f"{self.provider} answered with {odd}")
        model = self.model if self.exact else reading.model or self.model
        record.write(
            UsageEvent(
                time_ns=time.time_ns(),
                operation=self.operation,
                provider=clipped(self.provider, MAX_NAME_LENGTH),
                model=clipped(model, MAX_VALUE_LENGTH),
                attributes=self._attributes,
                usage=reading.usage or {},
                duration_ns=min(duration_ns, MAX_DURATION_NS),
                status=status if reading.status == "ok" else reading.status,
                service_tier=clipped(reading.service_tier, MAX_NAME_LENGTH),
            )
        )
        for other in reading.others:
            record.write(
                UsageEvent(
                    time_ns=time.time_ns(),
                    operation=self.operation,
                    provider=clipped(self.provider, MAX_NAME_LENGTH),
                    model=clipped(other.model, MAX_VALUE_LENGTH),
                    attributes=self._attributes,
                    usage=other.usage,
                    calls=0,
                    requests=0,
                )
            )
