"""Reads work of OpenAI's that is begun by one request and told by others: films, training, runs.

It counts when somebody asks for its end. A film is billed by the second, and its size makes the
price: that counts as the service tier, none for 720 lines. Training is billed by the tokens that a
model was trained with, reinforcement by time, which nothing tells; it has a name of its own, since
its price is not the model's. Runs use tokens of models.

Sources: https://platform.openai.com/docs/api-reference/videos/object,
https://platform.openai.com/docs/api-reference/fine-tuning/object,
https://platform.openai.com/docs/api-reference/evals/run-object and
https://platform.openai.com/docs/api-reference/runs/object
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from costmeter.instrumentation.clients.begun import Told, is_past
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.openai.tools import CONTAINER, memory_tier
from costmeter.instrumentation.clients.openai.usage import error_status, read
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading, Share

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.reading import Watcher

_STATUSES: Final = {
    "completed": "ok",
    "succeeded": "ok",
    "incomplete": "ok",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "expired": "timeout",
}
"""How work has ended, by its status; ``failed`` has an error, and in any other it goes on."""
_720_LINES: Final = frozenset({"", "720x1280", "1280x720"})
_SHORTEST_SECONDS: Final = 4
"""The length of a film where the request names none; one that is made of another may be longer."""
_BY_TIME: Final = "reinforcement"
_RUN: Final = b'"thread.run"'


class Kind(NamedTuple):
    """A kind of work.

    Attributes:
        operation: what it counts as; OpenTelemetry has no name for it but for tools.
        begins: the paths that begin it.
        asks: the paths that tell of it; ``POST`` may have a word more, such as ``cancel``.
        read: returns what its fields tell of its usage.
    """

    operation: str
    begins: re.Pattern[str]
    asks: re.Pattern[str]
    read: Callable[[Mapping[str, Any], list[str]], Reading]


class JobReader:
    """Reads what tells of one piece of work."""

    def __init__(self, kind: Kind) -> None:
        """Take what kind it is of."""
        self._kind = kind

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        fields = fields_of(body) or {}
        odd: list[str] = []
        told = self._kind.read(fields, odd)
        state = text_of(fields.get("status"))
        status = _STATUSES.get(state, "")
        if state == "failed":
            status = error_status(fields.get("error") or fields.get("last_error"))
        return Told(
            usage=told.usage,
            model=told.model,
            service_tier=told.service_tier,
            status=status or "ok",
            odd=tuple(odd),
            others=told.others,
            name=text_of(fields.get("id")),
            over=self._kind is CONTAINERS or (bool(status) and not is_past(fields)),
        )

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        try:
            return self.read(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return NO_JSON

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of a document."""
        if media_type == "text/event-stream":
            return _RunWatcher(self.read_json)
        return BodyWatcher(self.read_json)


class _RunWatcher(LineWatcher):
    """Watches the events of a run, each of its own with all that is known of it."""

    def __init__(self, read_json: Callable[[bytes], Reading]) -> None:
        super().__init__()
        self._read_json = read_json
        self._told: Reading = Told()

    def line(self, line: bytes) -> None:
        """Take a line in."""
        if line.startswith(b"data:") and _RUN in line:
            self._told = self._read_json(line[5:])
            self.complete = bool(getattr(self._told, "over", False))

    def reading(self) -> Reading:
        """Return what the run told last."""
        return self._told


def _film(fields: Mapping[str, Any], odd: list[str]) -> Reading:
    seconds = fields.get("seconds")
    number = int(seconds) if isinstance(seconds, str) and seconds.isdecimal() else seconds
    made = count_of("seconds", number, odd) if fields.get("status") == "completed" else 0
    size = text_of(fields.get("size"))
    return Reading(
        usage={"output_video_seconds": made} if made else None,
        model=text_of(fields.get("model")),
        service_tier="" if size in _720_LINES else size,
    )


def _training(fields: Mapping[str, Any], odd: list[str]) -> Reading:
    tokens = count_of("trained_tokens", fields.get("trained_tokens"), odd)
    method = text_of((fields_of(fields.get("method")) or {}).get("type"))
    return Reading(
        usage={"training_tokens": tokens} if tokens else None,
        model=f"{text_of(fields.get('model'))}-training",
        service_tier=_BY_TIME if method == _BY_TIME else "",
    )


def _evaluation(fields: Mapping[str, Any], _odd: list[str]) -> Reading:
    """Return what the models of a run used, the first as the one that was asked."""
    told = fields.get("per_model_usage")
    used = [
        Share(text_of(of.get("model_name") or of.get("run_model_name")), usage)
        for each in (told if isinstance(told, list) else ())
        if (of := fields_of(each)) and (usage := _tokens(of))
    ]
    if not used:
        return Reading(model=text_of(fields.get("model")))
    first, *others = used
    return Reading(usage=first.usage, model=first.model, others=tuple(others))


def _tokens(of: Mapping[str, Any]) -> dict[str, int] | None:
    return read({"usage": of}).usage


def _run(fields: Mapping[str, Any], odd: list[str]) -> Reading:
    reading = read({"usage": fields.get("usage"), "model": fields.get("model")})
    odd += reading.odd
    return reading


def _started(fields: Mapping[str, Any], _odd: list[str]) -> Reading:
    return Reading(
        usage={"container_sessions": 1},
        model=CONTAINER,
        service_tier=memory_tier(fields.get("memory_limit")),
    )


CONTAINERS: Final = Kind("execute_tool", re.compile("/containers"), re.compile(r"(?!)"), _started)
"""What code runs in: told by the request that starts it, and by responses that use it."""

FILMS: Final = Kind(
    "video_generation",
    re.compile(r"/videos(?:/edits|/extensions|/[^/]+/remix)?"),
    re.compile(r"/videos/[^/]+"),
    _film,
)

KINDS: Final = (
    FILMS,
    Kind(
        "fine_tuning",
        re.compile("/fine_tuning/jobs"),
        re.compile(r"/fine_tuning/jobs/[^/]+"),
        _training,
    ),
    Kind(
        "evaluation",
        re.compile(r"/evals/[^/]+/runs"),
        re.compile(r"/evals/[^/]+/runs/[^/]+"),
        _evaluation,
    ),
    Kind(
        "chat",
        re.compile(r"/threads(?:/[^/]+)?/runs"),
        re.compile(r"/threads/[^/]+/runs/[^/]+"),
        _run,
    ),
    CONTAINERS,
)


def beginning(method: str, path: str) -> Kind | None:
    """Return the kind of work that a request begins; None where it begins none."""
    if method.lower() != "post":
        return None
    return next((kind for kind in KINDS if kind.begins.fullmatch(path)), None)


def foreseen(kind: Kind, given: Callable[[str], Any]) -> Reading:
    """Return what a request that begins work tells of its cost.

    Args:
        kind: the kind of the work.
        given: returns a field of the request by its name.
    """
    if kind is CONTAINERS:
        return _started({"memory_limit": given("memory_limit")}, [])
    if kind is FILMS:
        seconds = given("seconds") or _SHORTEST_SECONDS
        return _film({"status": "completed", "seconds": seconds, "size": given("size")}, [])
    return NOTHING


def asked(method: str, path: str) -> Kind | None:
    """Return the kind of work that a request asks for; None where it asks for none."""
    if method.lower() not in {"get", "post"}:
        return None
    of = path.rpartition("/")[0] if method.lower() == "post" else path
    return next((kind for kind in KINDS if kind.asks.fullmatch(of)), None)
