"""The gate before instrumented calls: asks for each, and refuses before the request leaves.

What a call will cost at most is told as usage, which the sidecar prices: tokens of the answer by
the maximum that the request sets, those of the prompt by the length of its text; and what the
client of the SDK foresees beside text, such as pictures or seconds of film.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.gate import Decision, decided
from costmeter.gate_protocol import Ask
from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients.form import form_values, is_form
from costmeter.instrumentation.context import attribution, clipped
from costmeter.instrumentation.gate_client import UNAVAILABLE, answer
from costmeter.usage import MAX_NAME_LENGTH, MAX_QUANTITY, MAX_VALUE_LENGTH

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.call import Call

BYTES_PER_TOKEN: Final = 3
"""UTF-8 bytes of a token of the prompt: fewer than text has in practice, so that the estimate is
rather too high; of English it is four.

Source: https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them
"""
TOKENS_PER_MEDIUM: Final = 1600
"""Tokens of an image, a document or a piece of audio in the prompt.

Source: https://docs.anthropic.com/en/docs/build-with-claude/vision, the most that an image takes.
"""
PRIORITY: Final = "priority"
"""The attribute whose value ``critical`` lets a call pass whatever the limits say."""

_MAXIMUM: Final = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "maxTokens",
        "maxOutputTokens",
        "num_predict",
        "max_gen_len",  # Bedrock's of Llama, Titan, Nova and the first Claude
        "maxTokenCount",
        "max_new_tokens",
        "max_tokens_to_sample",
    }
)
"""How requests of the providers name the maximum of their answer."""
_CHOICES: Final = frozenset({"n", "candidateCount"})
_MEDIA: Final = frozenset(
    {"image_url", "input_audio", "inline_data", "inlineData", "source", "file", "image", "document"}
)
_SEARCHES: Final = "max_uses"
_SEARCHING: Final = "web_search"
"""How Anthropic's tool is told the most that it may search, and how its type begins."""
_PRICED_TIERS: Final = frozenset({"flex", "priority"})
_UNANSWERED: Final = frozenset({"embeddings"})
"""Operations whose answer costs nothing."""
_SWITCHED: Final = frozenset({"chat", "generate_content"})
"""Operations that another model of the same provider can be asked for: not vectors, which do not
compare, nor pictures and sound, which it may not make."""
_DEEPEST: Final = 24


class Gated:
    """The gate of :func:`costmeter.instrument`."""

    def admit(self, call: Call, asked: tuple[Any, ...], *, switching: bool) -> None:
        """Let a call pass, perhaps to a cheaper model.

        One that the application has checked by itself passes with that reservation.

        Args:
            call: the call.
            asked: what the SDK is about to ask for.
            switching: whether the request can be sent to another model.

        Raises:
            BudgetExceededError: it is refused.
        """
        if call.reservation:
            return
        switching = switching and call.operation in _SWITCHED
        decision = attempt(_ask, call, asked, switching, default=None)
        if decision is None:
            decision = decided(Ask(), UNAVAILABLE)
        decision.raise_if_refused()
        call.reservation = decision.reservation
        if switching and decision.model and decision.model != call.model:
            call.instead = call.model = decision.model


def _ask(call: Call, asked: tuple[Any, ...], switching: bool) -> Decision:
    attributes = attribution.get().attributes
    request = _Request()
    for each in asked:
        attempt(request.read, each, default=None)
    foreseen = call.foreseen
    ask = Ask(
        provider=clipped(call.provider, MAX_NAME_LENGTH),
        model=clipped(foreseen.model or call.model, MAX_VALUE_LENGTH),
        usage=request.usage(call.operation) | (foreseen.usage or {}),
        service_tier=clipped(foreseen.service_tier or request.service_tier, MAX_NAME_LENGTH),
        attributes=attributes,
        priority="critical" if attributes.get(PRIORITY) == "critical" else "normal",
        switching=switching,
        fixed=not switching,
    )
    return decided(ask, answer(ask))


class _Request:
    """What a request tells of its cost, in whatever shape the SDK has it by then."""

    __slots__ = ("_bytes", "_choices", "_maximum", "_media", "_searches", "service_tier")

    def __init__(self) -> None:
        self._bytes = self._media = self._searches = 0
        self._choices = 1
        self._maximum: int | None = None
        self.service_tier = ""

    def usage(self, operation: str) -> dict[str, int]:
        """Return the most that the call uses; without ``output_tokens`` where it sets no limit."""
        prompt = -(-self._bytes // BYTES_PER_TOKEN) + self._media * TOKENS_PER_MEDIUM
        usage = {"input_tokens": min(max(prompt, 1), MAX_QUANTITY)}
        if operation in _UNANSWERED:
            usage["output_tokens"] = 0
        elif self._maximum is not None:
            usage["output_tokens"] = min(self._maximum * self._choices, MAX_QUANTITY)
        if self._searches:
            usage["web_searches"] = min(self._searches, MAX_QUANTITY)
        return usage

    def read(self, asked: Any) -> None:
        """Take in what an SDK passes on: a body, or what has one."""
        if isinstance(asked, Mapping) and isinstance(body := asked.get("body"), str):
            asked = {**asked, "body": body.encode()}  # Bedrock's ``InvokeModel``
        if isinstance(asked, (Mapping, list, tuple, bytes, bytearray)):
            self._walk(asked, _DEEPEST)
        elif isinstance(asked, str):
            self._walk(asked.encode(), _DEEPEST)
        elif hasattr(asked, "json_data"):  # Stainless's options
            self._walk(asked.json_data, _DEEPEST)
            self._walk(asked.extra_json, _DEEPEST)

    def _walk(self, value: Any, depth: int) -> None:
        if isinstance(value, str):
            self._bytes += len(value) if value.isascii() else len(value.encode(errors="replace"))
        elif isinstance(value, Mapping):
            if depth:
                self._fields(value, depth - 1)
        elif isinstance(value, (list, tuple)):
            if value and isinstance(value[0], int):  # a prompt in tokens
                self._bytes += BYTES_PER_TOKEN * len(value)
            elif depth:
                for each in value:
                    self._walk(each, depth - 1)
        elif isinstance(value, (bytes, bytearray)) and value[:1] in (b"{", b"["):
            self._walk(msgspec.json.decode(value), depth)
        elif body := _body_of(value):
            self._walk(body, depth)

    def _fields(self, fields: Mapping[Any, Any], depth: int) -> None:
        for name, value in fields.items():
            if name in _MAXIMUM:
                if type(value) is int and value > 0:
                    self._maximum = value
            elif name in _CHOICES and type(value) is int:
                self._choices = max(1, value)
            elif name == _SEARCHES:
                if str(fields.get("type")).startswith(_SEARCHING) and type(value) is int:
                    self._searches += max(0, value)
            elif name == "service_tier" and value in _PRICED_TIERS:
                self.service_tier = value
            elif name in _MEDIA and isinstance(value, (Mapping, str, bytes)):
                self._media += 1
            else:
                self._walk(value, depth)


def _body_of(value: Any) -> bytes | dict[str, object]:
    """Return the body of a request of httpx: its content, or the values of its form."""
    if is_form(value):
        return form_values(value)
    content = getattr(value, "content", None)
    return content if isinstance(content, bytes) else b""
