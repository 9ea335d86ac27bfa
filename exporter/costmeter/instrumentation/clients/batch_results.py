"""Records the results of a batch while an application reads them, each as a call of its own.

A batch is asked for now and answered within a day, at a price of its own. What it used stands in
its results, line by line, and they may be read again, by another process too: so each result has an
identity, made of its batch and the name that the application gave it, by which the ledger drops
what it has. What was never asked of a model (expired, cancelled) is no call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import attribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.reading import Watcher

TIER: Final = "batch"


class Result(NamedTuple):
    """What one line tells.

    Attributes:
        name: the application's name for the request (``custom_id``), unique in its batch.
        operation: OpenTelemetry's ``gen_ai.operation.name``.
        reading: what was used, by which model, and how it ended.
    """

    name: str
    operation: str
    reading: Reading


class Download(Call):
    """A download of results, which costs nothing itself: it records what it reads, and no call."""

    costs: ClassVar[bool] = False

    def end(self, status: str, read: Callable[..., Reading] | None = None, *answer: Any) -> None:  # noqa: ARG002
        """Read an answer that came at once; what came piece by piece was read as it came."""
        if read is not None:
            boundary.attempt(read, *answer, default=NOTHING)


class ResultsReader:
    """Reads the results of one batch."""

    def __init__(
        self, provider: str, batch: str, read_line: Callable[[bytes], Result | None]
    ) -> None:
        """Take what tells the results apart from those of other batches.

        Args:
            provider: OpenTelemetry's ``gen_ai.provider.name``.
            batch: the provider's id of the batch, or of the file with its results.
            read_line: returns what a line tells; None where it is no result, or of no call.
        """
        self._provider = provider
        self._batch = batch
        self._read_line = read_line
        self._attribution = attribution.get()

    @classmethod
    def download(
        cls, provider: str, batch: str, read_line: Callable[[bytes], Result | None]
    ) -> Download:
        """Return a download that is about to start; for the arguments see above."""
        reader = cls(provider, batch, read_line)
        return Download(TIER, provider, "", reader=reader, reservation="")

    def read(self, body: object) -> Reading:
        """Record what a whole text tells."""
        return self.read_json(body.encode()) if isinstance(body, str) else NOTHING

    def read_json(self, body: bytes) -> Reading:
        """Record what a whole body tells."""
        watcher = _ResultsWatcher(self._record)
        watcher.feed(body)
        watcher.flush()
        return NOTHING

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, one is known
        """Return a watcher that records what it reads."""
        return _ResultsWatcher(self._record)

    def _record(self, line: bytes) -> None:
        if (result := self._read_line(line)) is None:
            return
        at_its_price = [
            msgspec.structs.replace(other, service_tier=TIER) for other in result.reading.others
        ]
        record_result(
            result.operation,
            self._provider,
            result.reading._replace(service_tier=TIER, others=tuple(at_its_price)),
            f"{self._provider}/{self._batch}/{result.name}",
            self._attribution,
        )


class _ResultsWatcher(LineWatcher):
    """Watches lines of JSON; of anything else, such as a picture, it lets go at once."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__()
        self._take_result = take
        self._is_json: bool | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        if self._is_json is None and (start := chunk.lstrip()):
            self._is_json = start.startswith(b"{")
        return super().feed(chunk) if self._is_json else chunk

    def line(self, line: bytes) -> None:
        """Take a line in: one that cannot be read costs no other."""
        boundary.attempt(self._take_result, line, default=None)

    def reading(self) -> Reading:
        """Return nothing: all was recorded."""
        return NOTHING
