"""Meters the interactions of Google's Gen AI SDK: answers at once, streams, and in the background.

They have a client of their own beside that of all other calls, and it is imported only when it is
used. An interaction in the background is over when it is fetched, and one that is over may be
fetched again: so each is known by its id. Decisions and voices are asked for the same way, and tell
the same usage.

Sources: https://ai.google.dev/gemini-api/docs/interactions and https://ai.google.dev/api/interactions
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.begun import Asking, Beginning, Told
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.google_genai.usage import (
    CACHED_PARTS,
    INPUT_PARTS,
    OUTPUT_PARTS,
    billed_searches,
    list_of,
    parts_of,
    served_tier,
)
from costmeter.instrumentation.clients.http_seam import Seam
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading
from costmeter.instrumentation.on_import import OnImport
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings
    from costmeter.instrumentation.clients.reading import Watcher

_MODULE: Final = "google.genai._gaos.basesdk"
_METHODS: Final = {"BaseSDK": "do_request", "AsyncBaseSDK": "do_request_async"}
_PATH: Final = re.compile(r".*/(interactions|decisions|voices)(/[^/]+)?(/cancel)?")
_OPERATIONS: Final = {"decisions": "decision", "voices": "voice"}
"""The operations of what is answered at once, and neither streams nor goes on."""

_OF_MODELS: Final = "generate_content"
_OF_AGENTS: Final = "invoke_agent"
_EVENTS: Final = "text/event-stream"
_GOES_ON: Final = frozenset({"", "in_progress", "queued"})
_STATUSES: Final = {"failed": "error", "cancelled": "cancelled"}
"""How an interaction has ended; in all other ways it has answered, or asks for something."""

_PARTS: Final = {
    "input_tokens_by_modality": ("input_tokens", INPUT_PARTS),
    "tool_use_tokens_by_modality": ("input_tokens", INPUT_PARTS),
    "cached_tokens_by_modality": ("cache_read_tokens", CACHED_PARTS),
    "output_tokens_by_modality": ("output_tokens", OUTPUT_PARTS),
}
"""Which whole the tokens by modality are parts of, and the keys of the parts."""


class _Asked(msgspec.Struct):
    """The fields of a request that matter here: prompts are large, and passed over."""

    model: Any = None
    agent: Any = None
    background: Any = None


class _Interaction(msgspec.Struct):
    """The fields of an interaction that matter here."""

    id: Any = None
    status: Any = None
    model: Any = None
    agent: Any = None
    usage: Any = None
    service_tier: Any = None


class _Metadata(msgspec.Struct):
    total_usage: Any = None


class _Event(msgspec.Struct):
    """An event of a stream."""

    event_type: str = ""
    interaction: _Interaction | None = None
    interaction_id: Any = None
    status: Any = None
    usage: Any = None
    metadata: _Metadata | None = None
    error: Any = None


_decode_asked: Final = msgspec.json.Decoder(_Asked).decode
_decode: Final = msgspec.json.Decoder(_Interaction).decode
_decode_event: Final = msgspec.json.Decoder(_Event).decode


class _Answers:
    """Reads interactions, in whichever way they come."""

    def __init__(self, *, goes_on: bool) -> None:
        """Take whether one whose answer does not tell its end can still be asked for it."""
        self._goes_on = goes_on

    def read(self, body: object) -> Reading:  # noqa: ARG002 - this SDK passes none
        """Return nothing."""
        return NOTHING

    def read_json(self, body: bytes) -> Reading:
        """Return what the body of a response tells."""
        try:
            interaction = _decode(body)
        except msgspec.DecodeError:
            return NO_JSON
        return self.told(interaction)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of a body that is read piece by piece."""
        return _Stream(self) if media_type == _EVENTS else BodyWatcher(self.read_json)

    def told(self, interaction: _Interaction) -> Told:
        """Return what is known of an interaction."""
        odd: list[str] = []
        model = _name(text_of(interaction.model) or text_of(interaction.agent))
        state = text_of(interaction.status)
        over = state not in _GOES_ON
        return Told(
            usage=_usage(interaction.usage, model, odd),
            model=model,
            service_tier=served_tier(text_of(interaction.service_tier)),
            status=_STATUSES.get(state, "ok"),
            odd=tuple(odd),
            name=text_of(interaction.id) if over or self._goes_on else "",
            over=over,
        )


class Interactions(_Answers):
    """The dialect of the SDK's second client."""

    parameters: tuple[str, ...] = ("request",)

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        super().__init__(goes_on=True)
        self._settings = settings

    def start(self, client: Any, given: Mapping[str, Any]) -> Call | None:  # noqa: ARG002 - not asked
        """Return the call that is about to be made; None where it is not metered."""
        request = given["request"]
        if (found := _PATH.fullmatch(request.url.path)) is None:
            return None
        kind, again, _ = found.groups()
        provider = self.provider(str(request.url))
        if kind == "interactions" and again and request.method in ("GET", "POST"):
            return Asking(_OF_MODELS, provider, "", reservation="")
        if again or request.method != "POST":
            return None
        asked = _decode_asked(request.content)
        model = _name(text_of(asked.model) or text_of(asked.agent))
        if operation := _OPERATIONS.get(kind):
            return Call(operation, provider, model)
        reader = _Answers(goes_on=asked.background is True)
        # The gate may send a question to another model, but not what an agent is to do.
        operation = _OF_AGENTS if asked.model is None else _OF_MODELS
        return Beginning(operation, provider, model, reader=reader)

    def to_model(self, given: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return the same arguments, but asking another model."""
        request = given["request"]
        headers = request.headers.copy()
        del headers["content-length"]
        body = msgspec.json.decode(request.content, type=dict[str, msgspec.Raw])
        other = type(request)(
            request.method,
            request.url,
            headers=headers,
            content=msgspec.json.encode(body | {"model": model}),
            extensions=request.extensions,
        )
        return {**given, "request": other}

    def provider(self, url: str) -> str:
        """Return the provider at a URL: Vertex AI's names a project."""
        default = "gcp.vertex_ai" if "/projects/" in url else "gcp.gemini"
        return self._settings.providers.at(url.partition("/projects/")[0], default)


class WaitingSeams:
    """Seams of the SDK's second client, to be put in once that is imported."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._dialect = Interactions(settings)
        self._on_import = OnImport()
        self._seams: list[Seam] = []

    def put(self) -> None:
        """Start metering, or wait for the import."""
        if (module := sys.modules.get(_MODULE)) is not None:
            self._put(module)
        else:
            self._on_import.wait(
                _MODULE, lambda module: boundary.attempt(self._put, module, default=None)
            )

    def take(self) -> None:
        """Wait no longer, or stop metering."""
        self._on_import.forget(_MODULE)
        for seam in self._seams:
            seam.take()
        self._seams = []

    def _put(self, module: ModuleType) -> None:
        self._seams = [
            Seam(getattr(module, kind), name, self._dialect) for kind, name in _METHODS.items()
        ]
        for seam in self._seams:
            seam.put()


class _Stream(LineWatcher):
    """Watches server-sent events."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__()
        self._answers = answers
        self._known = _Interaction()
        self._status = "ok"

    def line(self, line: bytes) -> None:
        if not line.startswith(b"data:") or line.endswith(b"[DONE]"):
            return
        event = _decode_event(line[5:])
        known = self._known
        partial = event.interaction or _Interaction(
            id=event.interaction_id, status=event.status, usage=event.usage
        )
        for name in _Interaction.__struct_fields__:
            if (value := getattr(partial, name)) is not None:
                setattr(known, name, value)
        if event.metadata is not None and event.metadata.total_usage is not None:
            known.usage = event.metadata.total_usage
        if event.event_type == "error":
            code = (fields_of(event.error) or {}).get("code")
            self._status = status_of_code(code) if isinstance(code, int) else "server_error"
        self.complete = event.event_type == "interaction.completed" or self.complete

    def reading(self) -> Reading:
        told = self._answers.told(self._known)
        return told._replace(status=self._status) if self._status != "ok" else told


def _usage(reported: object, model: str, odd: list[str]) -> dict[str, int] | None:
    """Return the usage: the prompt includes what was cached, and nothing else includes another."""
    if (fields := fields_of(reported)) is None:
        return None

    def told(name: str) -> int:
        return count_of(name, fields.get(name), odd)

    thoughts = told("total_thought_tokens")
    counts = {
        "input_tokens": told("total_input_tokens") + told("total_tool_use_tokens"),
        "cache_read_tokens": told("total_cached_tokens"),
        "output_tokens": told("total_output_tokens") + thoughts,
        "reasoning_tokens": thoughts,
    }
    counts |= parts_of(fields, _PARTS, "tokens", counts, odd)
    searches = sum(
        count_of("grounding_tool_count", tool.get("count"), odd)
        for tool in map(fields_of, list_of(fields.get("grounding_tool_count")))
        if tool is not None and tool.get("type") == "google_search"
    )
    counts["web_searches"] = billed_searches(model, searches)
    return {key: count for key, count in counts.items() if count}


def _name(model: str) -> str:
    """Return a model's name without what stands before it."""
    return model.rpartition("/")[2]
