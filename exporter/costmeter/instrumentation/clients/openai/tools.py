"""Reads what the tools of a response used: searches, containers, pictures, beside its own tokens.

Searches of the web are billed at the model's own price for them. The others have prices of their
own, and so events of their own beside the response: searches of files as ``file_search``,
containers that code runs in as ``container``, with their memory as the service tier, and pictures
as the model that drew them. A container serves several responses, and counts once.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import Share

FILE_SEARCH: Final = "file_search"
CONTAINER: Final = "container"

_USUAL_MEMORY: Final = frozenset({"", "1g"})
_NONE: Final[Mapping[str, Any]] = {}


def used(fields: Mapping[str, Any], odd: list[str]) -> tuple[int, tuple[Share, ...]]:
    """Return the billed searches of the web, and what has events of its own.

    Args:
        fields: of a response; without an output, nothing was used.
        odd: takes what could not be read as it stands.
    """
    output, tool_usage = fields.get("output"), fields_of(fields.get("tool_usage"))
    items = [fields_of(item) or _NONE for item in output] if isinstance(output, list) else []
    shares: list[Share] = []
    if searches := sum(item.get("type") == "file_search_call" for item in items):
        shares.append(Share(model=FILE_SEARCH, usage={"file_searches": searches}))
    if containers := {name for item in items if (name := _container(item))}:
        tier = memory_tier(_memory(fields.get("tools")))
        shares += [container(name, tier) for name in sorted(containers)]
    if tool_usage is None:
        return sum(map(_is_search, items)), tuple(shares)
    drawn = _drawn(fields_of(tool_usage.get("image_gen")) or _NONE, odd)
    if any(drawn.values()):
        shares.append(Share(model=_painter(fields.get("tools")), usage=drawn))
    billed = fields_of(tool_usage.get("web_search")) or _NONE
    return count_of("num_requests", billed.get("num_requests"), odd), tuple(shares)


def container(name: str, tier: str) -> Share:
    """Return what a container used, by its id; whoever tells of it again tells the same."""
    return Share(CONTAINER, {"container_sessions": 1}, service_tier=tier, identity=name)


def memory_tier(memory: object) -> str:
    """Return the service tier that a container's memory counts as: none for the usual one."""
    told = text_of(memory)
    return "" if told in _USUAL_MEMORY else told


def _is_search(item: Mapping[str, Any]) -> bool:
    """Tell whether an item is a billed search: opening and reading a page found is free."""
    if item.get("type") != "web_search_call":
        return False
    action = fields_of(item.get("action"))
    return action is None or action.get("type", "search") == "search"


def _container(item: Mapping[str, Any]) -> str:
    if item.get("type") == "code_interpreter_call":
        return text_of(item.get("container_id"))
    if item.get("type") == "shell_call":
        return text_of((fields_of(item.get("environment")) or _NONE).get("container_id"))
    return ""


def _drawn(told: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    """Return the tokens of pictures; where nothing tells them from text, all that was written."""
    details = fields_of(told.get("input_tokens_details")) or _NONE
    written = count_of("output_tokens", told.get("output_tokens"), odd)
    parts = fields_of(told.get("output_tokens_details")) or {"image_tokens": written}
    counts = {
        "input_tokens": count_of("input_tokens", told.get("input_tokens"), odd),
        "cache_read_tokens": count_of("cached_tokens", told.get("cached_tokens"), odd),
        "input_image_tokens": count_of("image_tokens", details.get("image_tokens"), odd),
        "output_tokens": written,
        "output_image_tokens": count_of("image_tokens", parts.get("image_tokens"), odd),
    }
    return {key: count for key, count in counts.items() if count}


def _memory(tools: object) -> object:
    """Return the memory that the response's own container was to have."""
    for tool in _tools(tools):
        of = fields_of(tool.get("container")) if tool.get("type") == "code_interpreter" else None
        of = fields_of(tool.get("environment")) if tool.get("type") == "shell" else of
        if of is not None:
            return of.get("memory_limit")
    return None


def _painter(tools: object) -> str:
    models = (tool.get("model") for tool in _tools(tools) if tool.get("type") == "image_generation")
    return next(filter(None, map(text_of, models)), "")


def _tools(tools: object) -> Iterator[Mapping[str, Any]]:
    """Yield the tools that a response could use, decoded only where they are looked at."""
    if isinstance(tools, msgspec.Raw):
        tools = msgspec.json.decode(tools)
    for tool in tools if isinstance(tools, Sequence) else ():
        if (fields := fields_of(tool)) is not None:
            yield fields
