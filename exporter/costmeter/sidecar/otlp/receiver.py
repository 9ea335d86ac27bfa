"""``POST /v1/traces``: traces over OTLP/HTTP, whose spans of GenAI calls become usage.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.sidecar.batch import InvalidBatchError
from costmeter.sidecar.body import RefusedError
from costmeter.sidecar.config import IntakeConfig
from costmeter.sidecar.intake import Intake
from costmeter.sidecar.otlp.decode import InvalidExportError, from_json, from_protobuf
from costmeter.sidecar.otlp.names import wanted
from costmeter.sidecar.otlp.usage import Metered, meter
from costmeter.sidecar.view import PipelineView

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
MAX_PROBLEMS: Final = 10
"""Problems of an export that are told; of more, only how many spans were refused."""


class TracesEndpoint(Intake):
    """Takes exports of traces.

    Answers 200 once the ledger holds their usage, and for one that has none; spans that should have
    counted and are refused are told as a partial success. An error is a ``google.rpc.Status`` in
    the encoding of what was sent. Exporters send again after 429 and 503.
    """

    media_types = (PROTOBUF, JSON)

    def __init__(
        self, pipeline: PipelineView, limits: IntakeConfig, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Take traces for a pipeline, within limits."""
        super().__init__(pipeline, limits, clock=clock)
        # One export is decoded at a time: it takes a processor, and of empty messages up to sixty
        # times the memory of its body.
        self._decoding = asyncio.Lock()

    @property
    def max_body_bytes(self) -> int:
        """How large a body may be: spans may carry prompts and answers."""
        return self._limits.max_traces_body_bytes

    async def take(self, body: bytes, media_type: str, who: str) -> Response:  # noqa: ARG002 for anyone
        """Answer an export."""
        try:
            async with self._decoding:
                metered = await run_in_threadpool(self._meter, body, media_type)
        except InvalidExportError as error:
            raise InvalidBatchError([str(error)]) from None
        if len(metered.events) > self._limits.max_events:
            self._pipeline.rejected("too_large", 1)
            raise RefusedError(413, f"more than {self._limits.max_events} calls in an export")
        if metered.events:
            await self.committed(self._pipeline.submit_identified(metered.events))
        if metered.problems:
            self._pipeline.rejected("invalid", len(metered.problems))
        return _success(metered.problems, media_type)

    def refuse(
        self, status: int, errors: Sequence[str], media_type: str, headers: Mapping[str, str]
    ) -> Response:
        """Return the errors as a ``google.rpc.Status``."""
        message = "; ".join(errors)
        if media_type != PROTOBUF:
            return _json({"message": message}, status, headers)
        return Response(_status(message), status, headers, PROTOBUF)

    def _meter(self, body: bytes, media_type: str) -> Metered:
        decode = from_protobuf if media_type == PROTOBUF else from_json
        return meter(decode(body, wanted), self._clock.now_ns())


def _success(problems: Sequence[str], media_type: str) -> Response:
    """Return an ``ExportTraceServiceResponse``; empty where nothing was refused."""
    message = "; ".join(problems[:MAX_PROBLEMS])
    if media_type != PROTOBUF:
        partial = {"rejectedSpans": str(len(problems)), "errorMessage": message}
        return _json({"partialSuccess": partial} if problems else {})
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    answer = trace_service_pb2.ExportTraceServiceResponse()
    if problems:
        answer.partial_success.rejected_spans = len(problems)
        answer.partial_success.error_message = message
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


def _status(message: str) -> bytes:
    """Return a ``google.rpc.Status``: its message is field 2, as that of a partial success is."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    status = trace_service_pb2.ExportTracePartialSuccess(error_message=message)
    return bytes(status.SerializeToString())


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content), status, headers, JSON)
