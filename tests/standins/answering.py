"""What stand-ins for providers share: answers kept as files, and what can go wrong with them.

A request asks for what shall go wrong with the header ``x-standin-fault``: an HTTP status code,
``hang`` (never answers), ``text`` (answers with no JSON), ``once`` (fails until it is tried again),
or, after two events of a stream, ``truncate`` (ends it), ``drop`` (breaks the connection) or
``stall`` (sends no more).
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

RESPONSES: Final = Path(__file__).parents[1] / "responses"
EVENTS_BEFORE_FAULT: Final = 2


class Answering:
    """Answers with the files of one provider."""

    def __init__(self, provider: str) -> None:
        """Take the provider's directory."""
        self._directory = RESPONSES / provider
        self._tried: set[str] = set()

    async def document(self, request: Request, name: str) -> Response:
        """Answer with a JSON document."""
        return await self._failure(request) or Response(
            self._body(request, name), media_type="application/json"
        )

    async def stream(self, request: Request, name: str, media_type: str, end: str) -> Response:
        """Answer with a stream, whose events end as told by a regular expression."""
        if failure := await self._failure(request):
            return failure
        events = re.findall(f"(?s).+?(?:{end})", self._body(request, name).decode())
        return StreamingResponse(
            self._events(events, request.headers.get("x-standin-fault")), media_type=media_type
        )

    def _body(self, request: Request, name: str) -> bytes:
        return (self._directory / request.headers.get("x-standin-body", name)).read_bytes()

    async def _failure(self, request: Request) -> Response | None:
        fault = request.headers.get("x-standin-fault", "")
        if fault.startswith("once") and fault not in self._tried:
            self._tried.add(fault)
            return JSONResponse({"message": "try again"}, 503, headers={"retry-after-ms": "1"})
        if fault.isdigit():
            return JSONResponse({"message": "as asked", "detail": []}, int(fault))
        if fault == "hang":
            await asyncio.Event().wait()
        return PlainTextResponse("upstream connect error") if fault == "text" else None

    async def _events(self, events: list[str], fault: str | None) -> AsyncIterator[str]:
        for sent, event in enumerate(events):
            if sent == EVENTS_BEFORE_FAULT:
                if fault == "truncate":
                    return
                if fault == "drop":
                    raise ConnectionResetError("asked to break the connection")
                if fault == "stall":
                    await asyncio.Event().wait()
            yield event
            await asyncio.sleep(0)
