"""What tests ask the stand-in for."""

from __future__ import annotations

import json
from typing import Any

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
ANSWERING = "gpt-4o-mini-2024-07-18"
CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 50,
    "total_tokens": 1250,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
}
RESPONSE: dict[str, Any] = {"model": "o4-mini", "input": "What does it cost?"}
RESPONSE_USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1250,
}
USED = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
"""What either of the two usages is as an event."""


def headers(usage: object = CHAT_USAGE, fault: str = "", **others: str) -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a usage and a fault."""
    asked = {"x-standin-usage": json.dumps(usage), "x-standin-fault": fault}
    return {"extra_headers": asked | {f"x-standin-{key}": value for key, value in others.items()}}
