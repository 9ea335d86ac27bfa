"""How calls of SDKs that Stainless generates are typed: those of OpenAI, Anthropic and Groq."""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tests.instrumentation.clients.calls.sdk import Call, Way

ALL = (Way.AT_ONCE, Way.STREAM, Way.RAW, Way.READ)
WHOLE = (Way.AT_ONCE, Way.RAW, Way.READ)
_STREAMS = ("stream", "results")


def method(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method of a call; one that has no name of its own for streams takes ``stream``."""
    if call.find:
        return call.find(client)
    owner, _, name = call.name.rpartition(".")
    if way in (Way.RAW, Way.READ):
        return attrgetter(f"{owner}.{way.value.strip('`')}.{name}")(client)
    found = attrgetter(call.name)(client)
    return (
        functools.partial(found, stream=True)
        if way is Way.STREAM and name not in _STREAMS
        else found
    )
