"""Meters litellm where it speaks to a provider by itself, and not through the provider's SDK.

The seam is ``post`` of its two HTTP handlers, sync and async, and ``get`` for answers that are made
in the background: the last thing of litellm's own that a request passes, below its Router, its
retries and its caches. There the answer is still the provider's own, with the model that answered
and its cached tokens, where litellm's is a translation that counts tokens itself where none were
told. What litellm calls through OpenAI's SDK never comes here: that is metered where the SDK is. So
a call is metered at the one place that sees the most of it, and nothing has to know of a call
around or inside it.
"""

from __future__ import annotations

import functools
from sys import modules
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.litellm.errors import Refusals
from costmeter.instrumentation.clients.litellm.spans import Spans
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.spans import OPENTELEMETRY, kept
from costmeter.instrumentation.clients.tap import Tap
from costmeter.instrumentation.clients.wire import Head, Request, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Watcher

_URL: Final = "http://127.0.0.1"
_MODEL_CALLS: Final = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "a")
    for name in (
        "completion", "text_completion", "responses", "anthropic_messages", "generate_content",
        "embedding", "rerank", "image_generation", "image_edit", "transcription", "speech",
        "create_video", "ocr",
    )
)  # fmt: skip
"""What litellm calls the calls of a model, as its requests say what they are made for."""


class LiteLLM:
    """What is put in the place of the handlers' methods."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings
        self._unasked: set[str] = set()  # URLs of servers that know no stream_options

    def sync(self, verb: str, method: Method) -> Callable[..., Any]:
        """Replace a method of ``HTTPHandler``, ``post`` or ``get``."""

        @functools.wraps(method.original)
        def send(handler: Any, url: str, *args: Any, **named: Any) -> Any:
            sent = self._sent(method, verb, url, args, named)
            if sent is None:
                return method.original(handler, url, *args, **named)
            while True:
                try:
                    response = method.original(handler, url, *sent.args, **sent.named)
                except BaseException as error:
                    if not sent.failed(error):
                        raise
                else:
                    sent.answered(response)
                    return response

        return send

    def asynchronous(self, verb: str, method: Method) -> Callable[..., Any]:
        """Replace a method of ``AsyncHTTPHandler``."""

        @functools.wraps(method.original)
        async def send(handler: Any, url: str, *args: Any, **named: Any) -> Any:
            sent = self._sent(method, verb, url, args, named)
            if sent is None:
                return await method.original(handler, url, *args, **named)
            while True:
                try:
                    response = await method.original(handler, url, *sent.args, **sent.named)
                except BaseException as error:
                    if not sent.failed(error):
                        raise
                else:
                    sent.answered(response)
                    return response

        return send

    def _sent(
        self, method: Method, verb: str, url: str, args: tuple[Any, ...], named: dict[str, Any]
    ) -> _Sent | None:
        if not method.on:
            return None
        url = str(url)
        body = named.get("json") or named.get("data") or (args[0] if args else None)
        request = boundary.attempt(self._recognised, verb, url, body, named, default=None)
        if request is None:
            return None
        if OPENTELEMETRY in modules:  # where litellm went on in another thread, it was lost
            kept.set(getattr(named.get("logging_obj"), "model_call_details", None))
        if (call := begin(_call, request, body)) is None:
            return None
        sent = _Sent(call, request, url, self._unasked, args, named, named)
        if self._settings.stream_usage and request.format.asked and url not in self._unasked:
            boundary.attempt(sent.ask, default=None)
        return sent

    def _recognised(
        self, verb: str, url: str, body: object, named: dict[str, Any]
    ) -> Request | None:
        request = recognise(url, body, self._settings.providers, method=verb)
        if request is None:
            _note_unknown(url, named.get("logging_obj"))
        return request


class _Sent(msgspec.Struct):
    """One request: what is sent, and what came of it."""

    _call: Call
    _request: Request
    _url: str
    _unasked: set[str]
    args: tuple[Any, ...]
    named: dict[str, Any]
    _given: dict[str, Any]
    _asks: bool = False

    def ask(self) -> None:
        """Ask for a stream's usage where the caller did not."""
        name = "json" if self.named.get("json") else "data"
        body = self.named.get(name)
        if isinstance(body, str | bytes):
            if b'"stream"' not in (body.encode() if isinstance(body, str) else body):
                return
            body = msgspec.json.decode(body)
        if not isinstance(body, dict) or not body.get("stream"):
            return
        chosen = body.get("stream_options")
        if chosen is not None and (not isinstance(chosen, dict) or "include_usage" in chosen):
            return  # the caller has decided
        asking = body | {"stream_options": {**(chosen or {}), "include_usage": True}}
        self.named = self._given | {
            name: asking if name == "json" else msgspec.json.encode(asking).decode()
        }
        self._asks = True

    def failed(self, error: BaseException) -> bool:
        """End the call, unless it may still pass without our question: then return True."""
        if self._asks and boundary.attempt(_refused, error, default=False):
            self._unasked.add(self._url)
            self.named, self._asks = self._given, False
            return True
        self._call.fail(error)
        return False

    def answered(self, response: Any) -> None:
        """End the call, or let it end with the body that is still to be read."""
        if not boundary.attempt(self._follow, response, default=False):
            self._call.end("ok")

    def _follow(self, response: Any) -> bool:
        form = self._request.format
        headers: Mapping[str, str] = dict(response.headers)
        head = Head(self._request.model, headers, hiding=self._asks)
        if response.is_closed:
            self._call.end("ok", form.read, response.content, head)
            return True
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        whole = media_type == "application/json"
        watcher = BodyWatcher(lambda body: form.read(body, head)) if whole else form.watch(head)
        Tap(response, _Ending(watcher, self._call), self._call, streams=not whole)
        return True


class _Ending:
    """A watcher that ends its call with the last word of a stream: litellm reads no further."""

    def __init__(self, watcher: Watcher, call: Call) -> None:
        self._call = call
        self._watcher = watcher
        self.complete = False
        self.reading = watcher.reading

    def feed(self, chunk: bytes) -> bytes:
        seen = self._watcher.feed(chunk)
        self.complete = self._watcher.complete
        if self.complete:
            self._call.end("ok", self.reading)
        return seen

    def flush(self) -> bytes:
        rest = self._watcher.flush()
        self.complete = self._watcher.complete
        return rest


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return what meters what litellm calls over its own HTTP handlers.

    Raises:
        LookupError, AttributeError: it is not made as it was.
    """
    litellm = LiteLLM(settings)
    return [
        *(
            Method(handler, verb, _URL, replacement=functools.partial(replacement, verb))
            for verb in ("post", "get")
            for handler, replacement in (
                (module.HTTPHandler, litellm.sync),
                (module.AsyncHTTPHandler, litellm.asynchronous),
            )
        ),
        Refusals(),
        Spans(),
    ]


def _call(request: Request, _body: object) -> Call:
    return request.kind(
        operation=request.operation,
        provider=request.provider,
        model=request.model,
        exact=request.format.exact,
    )


def _refused(error: BaseException) -> bool:
    """Return whether a server refused the question for usage."""
    code = getattr(error, "status_code", None)
    return code in (400, 422) and "stream_options" in f"{getattr(error, 'text', '')}"


def _note_unknown(url: str, logging_obj: Any) -> None:
    """Tell of a call of a model that cannot be read; other requests are none of our business."""
    if getattr(logging_obj, "call_type", None) in _MODEL_CALLS:
        provider = getattr(logging_obj, "custom_llm_provider", None)
        boundary.note(f"litellm's calls of {provider or url.partition('?')[0]!a} are not metered")
