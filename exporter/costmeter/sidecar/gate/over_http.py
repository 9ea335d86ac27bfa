"""``POST /v1/gate``: the gate for applications that cannot share a socket, in any language."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from costmeter.gate_protocol import MAX_LINE_BYTES, Ask, Cancel
from costmeter.sidecar.body import RefusedError, read_body
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
        try:
            response = await self._answer(Request(scope, receive))
        except RefusedError as error:
            response = JSONResponse({"errors": [str(error)]}, error.status)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """Answer a question.

        Raises:
            RefusedError: it is none.
        """
        try:
            question = _decode(await read_body(request, MAX_LINE_BYTES))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise RefusedError(400, str(error)) from None
        gate = self._pipeline.gate
        match question:
            case Ask():
                answer = _encode(gate.ask(question))
            case Cancel(reservation):
                gate.cancel(reservation)
                answer = b"{}"
        return Response(answer, media_type="application/json")
