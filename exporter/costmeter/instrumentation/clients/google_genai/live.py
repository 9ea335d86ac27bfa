"""Meters live sessions of Google's Gen AI SDK: each answer of the model in them is a call.

A session is a WebSocket, on which the server tells the usage of a turn beside its last words. A
turn is billed with all that the session holds by then, so each turn's usage counts as it is told.

Sources: https://ai.google.dev/api/live#UsageMetadata and
https://github.com/pydantic/pydantic-ai/pull/7269 (that it is told by turn, not added up)
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.google_genai.stream import status
from costmeter.instrumentation.clients.google_genai.usage import (
    billed_searches,
    read_usage,
    served_tier,
)
from costmeter.instrumentation.clients.reading import Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import attribution

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from costmeter.instrumentation.clients import Settings
    from costmeter.instrumentation.clients.method import Method

OPERATION: Final = "generate_content"


class Live:
    """What is put in the place of the SDK's method."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings

    def connect(self, method: Method) -> Callable[..., Any]:
        """Replace ``AsyncLive.connect``, which returns a context manager."""

        @functools.wraps(method.original)
        @asynccontextmanager
        async def connect(live: Any, **named: Any) -> AsyncIterator[Any]:
            call = begin(self._start, live, named) if method.on else None
            if call is None:
                async with method.original(live, **named) as session:
                    yield session
                return
            opened = False
            try:
                async with method.original(live, **named) as session:
                    opened = True
                    boundary.attempt(_follow, session, call, method, default=None)
                    yield session
            except BaseException as error:
                if not opened:
                    call.fail(error, status)
                raise

        return connect

    def _start(self, live: Any, named: dict[str, Any]) -> Call:
        client = live._api_client
        options = getattr(client, "_http_options", None)
        mode = "gcp.vertex_ai" if client.vertexai else "gcp.gemini"
        return Call(
            operation=OPERATION,
            provider=self._settings.providers.at(getattr(options, "base_url", None) or "", mode),
            model=text_of(named.get("model")).rpartition("/")[2],
        )


def _follow(session: Any, call: Call, method: Method) -> None:
    """Have a session's turns recorded, as long as the SDK is metered.

    Raises:
        AttributeError: it does not receive as it did.
    """
    turns = _Turns(call)
    receive = session._receive

    async def received() -> Any:
        message = await receive()
        if method.on:
            boundary.attempt(turns.take, message, default=None)
        return message

    session._receive = received


class _Turns:
    """Records the turns of a session for whom it was opened, however long after.

    How long a turn took is not known: the caller speaks while the model does.
    """

    def __init__(self, call: Call) -> None:
        self._provider = call.provider
        self._model = call.model
        self._reservation = call.reservation
        self._scope = attribution.get()
        self._queries: set[str] = set()

    def take(self, message: Any) -> None:
        """Take in a message of the server."""
        content = message.server_content
        if content is not None and content.grounding_metadata is not None:
            self._queries.update(content.grounding_metadata.web_search_queries or ())
        if message.usage_metadata is None:
            return
        reservation, self._reservation = self._reservation, ""  # the first turn takes it
        told = self._reading(message.usage_metadata)
        record_result(OPERATION, self._provider, told, "", self._scope, reservation=reservation)

    def _reading(self, told: Any) -> Reading:
        reported = told.model_dump(mode="json", by_alias=True, exclude_none=True)
        odd: list[str] = []
        usage = read_usage(reported, odd)
        if searches := billed_searches(self._model, len(self._queries)):
            usage["web_searches"] = searches
        self._queries.clear()
        tier = served_tier("", reported)
        return Reading(usage=usage, model=self._model, service_tier=tier, odd=tuple(odd))
