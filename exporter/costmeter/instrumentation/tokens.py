"""Counts tokens on this machine, with the very vocabularies of OpenAI's models.

The extra ``costmeter[tokens]`` brings them, with ``toktok-rs``: 4 MB, the vocabularies inside, so
that nothing is downloaded. Without it, and for models whose vocabulary is not known, nothing is
counted: there is no guess by the number of characters. Nothing that is counted is kept.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any, Final

O200K: Final = "o200k_base"
CL100K: Final = "cl100k_base"

ENCODINGS: Final = {
    "chatgpt-4o": O200K,
    "gpt-4.1": O200K,
    "gpt-4.5": O200K,
    "gpt-4o": O200K,
    "gpt-5-chat": O200K,
    "gpt-3.5-turbo": CL100K,
    "gpt-35-turbo": CL100K,  # as Azure spells it
    "gpt-4": CL100K,
    "text-embedding-3": CL100K,
    "text-embedding-ada-002": CL100K,
}
"""Vocabularies by the beginnings of models' names, the longest of which counts.

Models that reason are not among them: most of what they write is never shown, and so not counted.

Source: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
"""
_NOT_TEXT: Final = ("-audio", "-realtime", "-search", "-transcribe", "-tts", "-image", "-vision")
"""Parts of names of models that take or make more than text, or add to a prompt by themselves."""

TOKENS_A_MESSAGE: Final = 3
TOKENS_A_NAME: Final = 1
TOKENS_A_REPLY: Final = 3
"""What a chat's prompt has beside its texts: for each message, each name, and the reply's start.

Source: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
"""


class _Tools:
    """What functions add to a prompt, by vocabulary; the same source."""

    FUNCTION: Final = {O200K: 7, CL100K: 10}
    PROPERTIES: Final = 3
    PROPERTY: Final = 3
    ENUM: Final = -3
    ENUM_ITEM: Final = 3
    END: Final = 12


_loaded: Final[set[str]] = set()


@functools.cache
def available() -> bool:
    """Return whether tokens can be counted: whether ``costmeter[tokens]`` is installed."""
    return find_spec("toktok") is not None


def encoding_of(model: str) -> str:
    """Return the vocabulary of a model; empty where it is not known, or text is not all of it.

    ``openai/gpt-4o`` and ``ft:gpt-4o:…`` are found as what they are.
    """
    name = model.lower().removeprefix("openai/").removeprefix("ft:")
    if any(part in name for part in _NOT_TEXT):
        return ""
    known = [beginning for beginning in ENCODINGS if name.startswith(beginning)]
    return ENCODINGS[max(known, key=len)] if known else ""


def count(texts: Sequence[str], encoding: str) -> int:
    """Return how many tokens texts have together, each by itself.

    What reads like a special token is text. The first count with a vocabulary loads it: half a
    second, 60 MB of memory. After that, a text of a thousand words takes less than a millisecond.

    Args:
        texts: the texts.
        encoding: a vocabulary, as :func:`encoding_of` returns it.

    Raises:
        ModuleNotFoundError: ``costmeter[tokens]`` is not installed.
    """
    tokens: list[int] = import_module("toktok").batch_count(texts, encoding, threads=1)
    _loaded.add(encoding)
    return sum(tokens)


def loaded(encoding: str) -> bool:
    """Return whether a vocabulary is loaded; where it is not, begin to, beside all that goes on."""
    if encoding not in _loaded:
        _load(encoding)
    return encoding in _loaded


@functools.cache
def _load(encoding: str) -> None:
    threading.Thread(target=count, args=((), encoding), daemon=True).start()


def count_prompt(body: Mapping[str, Any], encoding: str) -> int | None:
    """Return how many input tokens a request for a chat or a completion has.

    Args:
        body: the request as it is sent: ``messages`` and ``tools``, or ``prompt``.
        encoding: a vocabulary, as :func:`encoding_of` returns it.

    Returns:
        All input tokens, what frames messages and functions included; None where a part of it is no
        text (a picture, say), whose tokens nobody but the provider can tell.

    Raises:
        ModuleNotFoundError: ``costmeter[tokens]`` is not installed.
    """
    try:
        if (prompt := body.get("prompt")) is not None:
            return count(
                [prompt] if isinstance(prompt, str) else list(map(_text, prompt)), encoding
            )
        messages = list(map(_message, body.get("messages") or ()))
        tools = [_function(tool, encoding) for tool in body.get("tools") or ()]
    except (AttributeError, LookupError, TypeError):
        return None
    framing = sum(extra for _, extra in chain(messages, tools)) + TOKENS_A_REPLY
    if tools:
        framing += _Tools.END
    return framing + count(
        list(chain.from_iterable(texts for texts, _ in [*messages, *tools])), encoding
    )


def _message(message: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the texts of a message, and the tokens that it has beside them."""
    texts, framing = [], TOKENS_A_MESSAGE
    for name, value in message.items():
        if value is None:
            continue
        if name == "content" and not isinstance(value, str):
            texts += [_text(part["text"]) for part in value]
        elif name == "tool_calls":
            for call in value:
                texts += [_text(call["function"]["name"]), _text(call["function"]["arguments"])]
        else:
            texts.append(_text(value))
            framing += TOKENS_A_NAME if name == "name" else 0
    return texts, framing


def _function(tool: Mapping[str, Any], encoding: str) -> tuple[list[str], int]:
    """Return the texts of a function that may be called, and the tokens that it has beside them."""
    function = tool["function"]
    texts = [f"{function['name']}:{_sentence(function)}"]
    framing = _Tools.FUNCTION[encoding]
    properties = (function.get("parameters") or {}).get("properties") or {}
    if properties:
        framing += _Tools.PROPERTIES
    for name, described in properties.items():
        framing += _Tools.PROPERTY
        texts.append(f"{name}:{described.get('type', '')}:{_sentence(described)}")
        if items := described.get("enum"):
            framing += _Tools.ENUM + _Tools.ENUM_ITEM * len(items)
            texts += map(_text, items)
    return texts, framing


def _sentence(described: Mapping[str, Any]) -> str:
    return _text(described.get("description", "")).removesuffix(".")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no text")
    return value
