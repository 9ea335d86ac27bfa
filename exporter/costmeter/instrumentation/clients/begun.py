"""Follows work that a provider goes on with after it has answered, until somebody asks for its end.

A film, or an answer in the background, is asked for with one request and told by another, which may
be made often, and by another process too. So what it used is recorded with an identity, made of the
name that the provider gave it, by which the ledger drops what it has. For whom it is, and what only
the first request tells (how long a film is to be), this process remembers until then.
"""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients import answering
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import Attribution, attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

MOST: Final = 10_000
"""Pieces of work that are remembered; of more, the oldest are forgotten."""
REMEMBERED_SECONDS: Final = 30 * 86_400
"""How long after its end work is counted. A ledger forgets what it has counted, after 90 days by
default; work that a provider keeps for ever must not count anew when it is looked at after that."""


class Told(Reading, frozen=True, gc=False):
    """What an answer tells of a piece of work.

    Attributes:
        name: the provider's name for it; empty where it has none.
        over: whether it has come to its end, and ``usage`` is all that it used.
    """

    name: str = ""
    over: bool = False


class Work(NamedTuple):
    """A piece of work that was begun here.

    Attributes:
        scope: for whom it is.
        reservation: what the gate has set aside for it.
        asked: what was asked for, as far as only the request tells.
    """

    scope: Attribution
    reservation: str
    asked: Mapping[str, Any]


_ENDED: Final = ("finished_at", "completed_at", "cancelled_at", "failed_at", "created_at")
"""Where work tells when it ended, or at least began, in seconds since 1970."""
_begun: Final[OrderedDict[tuple[str, str], Work]] = OrderedDict()
"""What is remembered, the oldest first; threads share it, so it is never iterated."""


def work_of(provider: str, name: str) -> Work | None:
    """Return a piece of work, where it was begun here."""
    return _begun.get((provider, name))


def is_past(fields: Mapping[str, Any]) -> bool:
    """Return whether work has ended too long ago to be counted now, by the times that it tells."""
    told = (fields.get(name) for name in _ENDED)
    ended = next((at for at in told if isinstance(at, int | float)), None)
    return ended is not None and ended < time_ns() / 1e9 - REMEMBERED_SECONDS


def is_long_past(ended: datetime | None) -> bool:
    """Do the same for an instant at which work has ended; None where that is not told."""
    return ended is not None and is_past({"finished_at": ended.timestamp()})


def forget() -> None:
    """Remember nothing."""
    _begun.clear()


class Beginning(Call):
    """A call that begins a piece of work, and is recorded when that is over; that may be at once.

    Attributes:
        asked: what it asks for, as far as its answer does not tell.
    """

    asked: Mapping[str, Any] = {}

    def end(self, status: str, read: Callable[..., Reading] | None = None, *answer: Any) -> None:
        """Record the call where it has failed or is over; else remember it."""
        if self._ended:
            return
        told = NOTHING if read is None else attempt(read, *answer, default=NOTHING)
        if not isinstance(told, Told) or not told.name:
            super().end(status, lambda: told)
            return
        work = Work(self._attribution, self.reservation, self.asked)
        if told.over:
            self._ended = True
            duration_ns = monotonic_ns() - self._started_ns
            attempt(_write, self, told, work, duration_ns, self._first_chunk_ns, default=None)
            return
        if len(_begun) >= MOST:
            _begun.popitem(last=False)
        _begun[self.provider, told.name] = work
        self._ended = True  # where only a stream of it broke off, too: its end can be asked for


class Asking(Call):
    """A request for a piece of work, which costs nothing itself: it records that once it is over.

    One that nobody here has begun counts for whom it is asked for.
    """

    reservation: str = ""
    costs: ClassVar[bool] = False

    def end(self, status: str, read: Callable[..., Reading] | None = None, *answer: Any) -> None:  # noqa: ARG002
        """Record the work, where the answer tells that it is over."""
        if self._ended:
            return
        self._ended = True
        told = NOTHING if read is None else attempt(read, *answer, default=NOTHING)
        if isinstance(told, Told) and told.over:
            work = work_of(self.provider, told.name) or Work(attribution.get(), "", {})
            attempt(_write, self, told, work, default=None)


def _write(
    call: Call, told: Told, work: Work, duration_ns: int = 0, first_chunk_ns: int = 0
) -> None:
    """Record a piece of work that is over."""
    if told.model and call.model and told.model != call.model and not call.exact:
        answering.learn(call.provider, call.model, told.model)
    record_result(
        call.operation,
        call.provider,
        told if told.model else told._replace(model=call.model),
        told.name and f"{call.provider}/{told.name}",
        work.scope,
        reservation=work.reservation,
        duration_ns=duration_ns,
        first_chunk_ns=first_chunk_ns,
    )
