"""One call of a provider's API, from its start to the usage event that it becomes."""

from __future__ import annotations

from sys import modules
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from costmeter.instrumentation import record
from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients import answering
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.clients.results import record_beside
from costmeter.instrumentation.clients.spans import OPENTELEMETRY, mark
from costmeter.instrumentation.context import Attribution, attribution, clipped
from costmeter.instrumentation.reserved import take
from costmeter.usage import MAX_DURATION_NS, MAX_NAME_LENGTH, MAX_VALUE_LENGTH, RecordedUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.reading import Reader


class Call(msgspec.Struct):
    """A call under way. It is recorded exactly once, whoever sees its end first.

    Where other models took part, each of them has an event beside it that is no call of its own.

    Whom it is for is settled when it starts: a stream may well be read to its end where that
    context is gone, as in a web framework that sends it on.

    Attributes:
        operation: OpenTelemetry's ``gen_ai.operation.name``.
        provider: OpenTelemetry's ``gen_ai.provider.name``, of a length that an event may have.
        model: the model asked for, which counts where the answer names none.
        exact: whether it counts in any case, because it tells more than the answer's name.
        reader: reads the answer, where it is not like those of most of the SDK's calls.
        reservation: what the gate has set aside for it.
        instead: the model that the gate sends it to, in place of the one asked for; or empty.
        foreseen: what its request tells of its cost beside text, in the words of the answer:
            pictures to be made, say, with the model and the tier that they will count as.
    """

    operation: str
    provider: str
    model: str
    exact: bool = False
    reader: Reader | None = None
    reservation: str = msgspec.field(default_factory=take)
    instead: str = ""
    foreseen: Reading = NOTHING
    costs: ClassVar[bool] = True
    """Whether it is one at all: what only reads what calls have told is no matter of the gate."""
    _attribution: Attribution = msgspec.field(default_factory=attribution.get)
    _started_ns: int = msgspec.field(default_factory=monotonic_ns)
    _first_chunk_ns: int = 0
    _ended: bool = False

    def first_chunk(self) -> None:
        """Note that the first chunk of an answer that streams has come."""
        self._first_chunk_ns = monotonic_ns() - self._started_ns

    def end(self, status: str, read: Callable[..., Reading] | None = None, *answer: Any) -> None:
        """Record the call; a second end counts for nothing.

        A call whose answer cannot be read is counted all the same: ``read`` may raise.
        """
        if self._ended:
            return
        self._ended = True
        duration_ns = monotonic_ns() - self._started_ns
        reading = NOTHING if read is None else attempt(read, *answer, default=NOTHING)
        attempt(self._record, status, reading, duration_ns, default=None)

    def fail(self, error: BaseException, told: Callable[[BaseException], str] = status_of) -> None:
        """Record the call as one that an exception ended; ``told`` tells the status of that."""
        self.end(attempt(told, error, default="error"))

    def _record(self, status: str, reading: Reading, duration_ns: int) -> None:
        model, told = self.model, reading.model
        if not self.exact and told != model:
            if told:
                answering.learn(self.provider, model, told)
            model = told or answering.expected(self.provider, model)
        scope = self._attribution
        record.write(
            RecordedUsage(  # by their order: names take longer
                time_ns(),
                self.operation,
                self.provider,
                clipped(model, MAX_VALUE_LENGTH),
                scope.encoded,
                reading.usage or {},
                1,
                1,
                min(duration_ns, MAX_DURATION_NS),
                status if reading.status == "ok" else reading.status,
                reading.service_tier and clipped(reading.service_tier, MAX_NAME_LENGTH),
                None,
                reading.estimated,
                scope.request,
                self.reservation,
                "",
                min(self._first_chunk_ns, MAX_DURATION_NS),
            )
        )
        if reading.others or reading.odd:
            record_beside(self.operation, self.provider, reading, scope)


class Gate(Protocol):
    """Asked before a call is made."""

    def admit(self, call: Call, asked: tuple[Any, ...], *, switching: bool) -> None:
        """Let a call pass, to another model where ``switching`` allows that.

        Raises:
            BudgetExceededError: it is refused.
        """


gate: Gate | None = None
"""The gate of all calls; None where they are not gated."""


def begin(start: Callable[..., Call | None], *asked: Any, switching: bool = False) -> Call | None:
    """Return the call that an SDK is about to make, from what it asks for.

    Every call passes here, outside of the boundary, before its request goes out.

    Args:
        start: makes the call, or returns None where it is not metered; it may raise.
        asked: what it makes the call from.
        switching: whether the caller heeds :attr:`Call.instead`.

    Raises:
        BudgetExceededError: the gate refuses it.
    """
    call = attempt(start, *asked, default=None)
    if call is None or not call.costs:
        return call
    if gate is not None:
        gate.admit(call, asked, switching=switching)
    if OPENTELEMETRY in modules:
        attempt(mark, default=None)
    return call
