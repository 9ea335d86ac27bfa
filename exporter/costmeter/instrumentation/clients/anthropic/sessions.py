"""Meters sessions of Anthropic's managed agents, where an application reads their events.

A session works on after it was sent something, and tells of each request that it made to a model in
an event of its own, which may be read again, by another process too: so each is recorded with the
event's identity, by which the ledger drops what it has. The events name no model: that stands in
the session, or in the thread, and this process remembers it from wherever it was told. So it does
for whom something was sent, and what the gate has set aside for that.

A dream is worked on by a session, too, but tells all that it used by itself: it counts as one call
once it is over, and the events of its session do not.

Sources: https://platform.claude.com/docs/en/managed-agents/sessions and
https://platform.claude.com/docs/en/managed-agents/dreams
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients.answers import Documents
from costmeter.instrumentation.clients.anthropic import usage as anthropic_usage
from costmeter.instrumentation.clients.batch_results import Download
from costmeter.instrumentation.clients.begun import Asking, Beginning, Told, is_long_past
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from costmeter.instrumentation.clients.reading import Watcher
    from costmeter.instrumentation.context import Attribution

MOST: Final = 10_000
"""Sessions and threads that are remembered; of more, the oldest are forgotten."""
_EVENTS: Final = re.compile(
    r"/v1/sessions/([^/]+)(?:/threads/([^/]+))?/(?:events(?:/stream)?|stream)"
)
_SESSION: Final = re.compile(r"/v1/sessions(?:/[^/]+)?(?:/threads/[^/]+)?")
_DREAM: Final = re.compile(r"/v1/dreams/[^/]+")
_USAGE: Final = {
    "span.model_request_end": "model_usage",
    "span.outcome_evaluation_end": "usage",
}
"""Where the usage stands in an event, by the types of those that tell one."""
_ENDS: Final = {"completed": "ok", "failed": "server_error", "canceled": "cancelled"}
"""Outcomes by the status of a dream that is over."""


class _Known(msgspec.Struct):
    """What is remembered of a session, or of a thread of one.

    Attributes:
        model: the model of its agent, or empty.
        scope: for whom something was sent to it; None where that was not here.
        reservation: what the gate has set aside for that.
        passed: whether a dream tells what it used.
    """

    model: str = ""
    scope: Attribution | None = None
    reservation: str = ""
    passed: bool = False


_known: Final[OrderedDict[tuple[str, str], _Known]] = OrderedDict()


def forget() -> None:
    """Remember nothing."""
    _known.clear()


def call_of(provider: str, method: str, path: str) -> Call | None:
    """Return the call that a request is; None where it is not metered."""
    if events := _EVENTS.fullmatch(path):
        session, thread = events[1], events[2] or ""
        if method == "get":
            reader = _EventsReader(provider, session, thread)
            return Download("chat", provider, "", reader=reader, reservation="")
        # Not under the name of what the gate may send to another model: a session has its own.
        return _Sending("invoke_agent", provider, _of(provider, session).model, session=session)
    if _SESSION.fullmatch(path):
        told = Documents(functools.partial(_remember, provider))
        return Download("chat", provider, "", reader=told, reservation="")
    told = Documents(functools.partial(_dream, provider))
    if path == "/v1/dreams" and method == "post":
        return Beginning("chat", provider, "", reader=told)
    if _DREAM.fullmatch(path) and method == "get":
        return Asking("chat", provider, "", reader=told, reservation="")
    return None


def _of(provider: str, name: str) -> _Known:
    """Return what is remembered of a session or a thread, to be added to."""
    if len(_known) >= MOST and (provider, name) not in _known:
        _known.popitem(last=False)
    return _known.setdefault((provider, name), _Known())


class _Sending(Call):
    """Something that is sent to a session: what it uses is told by the session's events."""

    session: str = ""

    def end(self, status: str, read: Callable[..., Reading] | None = None, *answer: Any) -> None:
        """Record what failed; remember for whom anything else was sent."""
        if status != "ok":
            super().end(status, read, *answer)
        elif not self._ended:
            self._ended = True
            known = _of(self.provider, self.session)
            known.scope, known.reservation = self._attribution, self.reservation


def _remember(provider: str, body: object) -> Reading:
    """Remember the model of a session or a thread, as it tells it."""
    fields = fields_of(body) or {}
    agent = fields_of(fields.get("agent")) or {}
    model = text_of((fields_of(agent.get("model")) or {}).get("id"))
    if model and (name := text_of(fields.get("id"))):
        _of(provider, name).model = model
    return NOTHING


def _dream(provider: str, body: object) -> Reading:
    """Return how a dream stands."""
    fields = fields_of(body) or {}
    if session := text_of(fields.get("session_id")):
        _of(provider, session).passed = True
    status = text_of(fields.get("status"))
    reading = anthropic_usage.read({"usage": fields.get("usage")})
    return Told(
        usage=reading.usage,
        odd=reading.odd,
        model=text_of((fields_of(fields.get("model")) or {}).get("id")),
        status=_ENDS.get(status, "ok"),
        name=text_of(fields.get("id")),
        over=status in _ENDS and not _is_long_past(fields.get("ended_at")),
    )


def _is_long_past(told: object) -> bool:
    """Return whether an instant, as a model or JSON has it, is too long ago to count what ended."""
    try:
        return is_long_past(msgspec.convert(told, datetime | None))
    except msgspec.ValidationError:
        return False


class _EventsReader:
    """Reads the events of a session: a stream of them, or a page of those that were."""

    def __init__(self, provider: str, session: str, thread: str) -> None:
        """Take whose events they are; ``thread`` is empty where they are the session's own."""
        self._provider = provider
        self._names = (session, thread) if thread else (session,)
        self._scope = attribution.get()

    def read(self, body: object) -> Reading:
        """Record what a parsed page tells."""
        events = (fields_of(body) or {}).get("data")
        for event in events if isinstance(events, list) else ():
            self._see(fields_of(event) or {})
        return NOTHING

    def read_json(self, body: bytes) -> Reading:
        """Record what an unparsed page tells."""
        return self.read(msgspec.json.decode(body))

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - nothing to hide
        """Return a watcher of a stream, or of a page that is yet to be read."""
        if media_type == "text/event-stream":
            return _EventsWatcher(lambda data: self._see(msgspec.json.decode(data)))
        return BodyWatcher(self.read_json)

    def _see(self, event: Mapping[str, Any]) -> None:
        name, of = text_of(event.get("id")), _USAGE.get(text_of(event.get("type")))
        known = [_of(self._provider, each) for each in self._names]
        if of is None or not name or any(each.passed for each in known):
            return
        if _is_long_past(event.get("processed_at")):
            return
        session = known[0]
        reading = anthropic_usage.read({"usage": event.get(of)})
        reservation, session.reservation = session.reservation, ""
        record_result(
            "chat",
            self._provider,
            reading._replace(
                model=next((each.model for each in reversed(known) if each.model), ""),
                status="server_error" if event.get("is_error") else "ok",
            ),
            f"{self._provider}/{name}",
            session.scope or self._scope,
            reservation=reservation,
        )


class _EventsWatcher(LineWatcher):
    """Watches a stream of events: nearly every one is a piece of work, and not parsed."""

    def __init__(self, see: Callable[[bytes], None]) -> None:
        super().__init__()
        self._see = see

    def line(self, line: bytes) -> None:
        if line.startswith(b"data:") and any(b'"%b"' % kind.encode() in line for kind in _USAGE):
            attempt(self._see, line[5:], default=None)  # one that is broken costs no other

    def reading(self) -> Reading:
        return NOTHING
