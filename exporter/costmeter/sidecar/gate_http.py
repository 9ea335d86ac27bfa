"""``POST /v1/gate``: the gate for applications that cannot share a socket, in any language."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from costmeter.gate_protocol import MAX_LINE_BYTES, Ask, Cancel
from costmeter.sidecar.view import PipelineView

_decode: Final = msgspec.json.Decoder(Ask | Cancel).decode
_encode: Final = msgspec.json.Encoder().encode


class GateEndpoint:
    """Answers one question a request; a reservation made here ends with its time to live."""

    def __init__(self, pipeline: PipelineView) -> None:
        """Take whose gate it is."""
        self._pipeline = pipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            return _refused(415, f"content type {media_type!a} is not application/json")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_LINE_BYTES:
                return _refused(413, f"the body has more than {MAX_LINE_BYTES} bytes")
        try:
            question = _decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            return _refused(400, str(error))
        gate = self._pipeline.gate
        match question:
            case Ask():
                answer = _encode(gate.ask(question))
            case Cancel(reservation):
                gate.cancel(reservation)
                answer = b"{}"
        return Response(answer, media_type="application/json")


def _refused(status: int, problem: str) -> Response:
    return JSONResponse({"errors": [problem]}, status)
