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
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

RESPONSES: Final = Path(__file__).parents[1] / "responses"
EVENTS_BEFORE_FAULT: Final = 2
_STREAMS: Final = re.compile(rb'"stream": ?true|name="stream"\r\n\r\ntrue')
"""What a request that asks for a stream holds, as JSON or as a form."""
_TYPES: Final = {".json": "application/json", ".mp3": "audio/mpeg", ".txt": "text/plain"}
"""Media types of documents, by their endings."""


class Answering:
    """Answers with the files of one provider."""

    def __init__(self, provider: str) -> None:
        """Take the provider's directory."""
        self._directory = RESPONSES / provider
        self._tried: set[str] = set()

    def route(
        self,
        path: str,
        document: str,
        stream: str = "",
        media_type: str = "text/event-stream",
        end: str = "\n\n",
    ) -> Route:
        """Return what answers a ``POST``: with a stream where the request asks for one."""

        async def answer(request: Request) -> Response:
            if stream and _STREAMS.search(await request.body()):
                return await self.stream(request, stream, media_type, end)
            return await self.document(request, document)

        return Route(path, answer, methods=["POST"])

    def files(self, path: str, ending: str = "jsonl") -> Route:
        """Return what answers a ``GET`` with the file of the id ``{file}``."""

        async def content(request: Request) -> Response:
            name = f"{request.path_params['file']}.{ending}"
            body = (self._directory / name).read_bytes()
            return Response(body, media_type="application/octet-stream")

        return Route(path, content)

    async def document(self, request: Request, name: str) -> Response:
        """Answer with a document, of the type that its ending tells."""
        name = request.headers.get("x-standin-body", name)
        return await self._failure(request) or Response(
            (self._directory / name).read_bytes(), media_type=_TYPES.get(Path(name).suffix)
        )

    async def stream(self, request: Request, name: str, media_type: str, end: str) -> Response:
        """Answer with a stream, whose events end as told by a regular expression."""
        if failure := await self._failure(request):
            return failure
        name = request.headers.get("x-standin-body", name)
        events = re.findall(f"(?s).+?(?:{end})", (self._directory / name).read_text())
        return StreamingResponse(
            self._events(events, request.headers.get("x-standin-fault")), media_type=media_type
        )

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
