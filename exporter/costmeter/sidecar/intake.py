"""``POST /v1/events``: usage over HTTP, from where no journal directory can be shared.

What comes in is a stranger's: its size, its rate and each of its fields are bounded. A batch is
taken whole or not at all, and once: sent again with the same source and sequence, as a sender does
that got no answer, it is answered and not added.
"""

from __future__ import annotations

import asyncio
import logging
import math
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.errors import CostmeterError
from costmeter.sidecar.batch import InvalidBatchError, parse
from costmeter.sidecar.config import IntakeConfig
from costmeter.sidecar.view import PipelineView, UnavailableError
from costmeter.units import NANO

log = logging.getLogger(__name__)

BODY_SECONDS: Final = 30.0
"""How long a client may take to send a body."""
COMMIT_SECONDS: Final = 30.0
"""How long a batch may take to be committed before its sender is told to try again."""
RETRY_AFTER_SECONDS: Final = 5
MAX_CLIENTS: Final = 10_000
"""Client addresses whose rate is remembered; of more, those that have been quiet for longest are
forgotten."""


class RefusedError(CostmeterError):
    """A request is refused before its events are looked at."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        """Take the HTTP status, a sentence, and after how many seconds to try again."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class TokenBuckets:
    """Limits how often each key may do something: ``rate`` times a second, ``burst`` at once."""

    def __init__(self, rate: float, burst: int, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Begin with full buckets."""
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, as of when

    def take(self, key: str) -> float:
        """Take a token; return 0, or in how many seconds there will be one."""
        now = self._clock.monotonic_ns()
        tokens, since = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) / NANO * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[key] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return wait


class EventsEndpoint:
    """Takes batches of events and hands them to the pipeline.

    Answers 202 once the ledger holds a batch, 200 for one that it held already; 400 with all
    problems by field, 408, 413, 415 and 429 where a limit is broken, 503 where the batch could not
    be committed now and should be sent again. Every body is JSON, with ``errors`` where refused.
    """

    def __init__(
        self, pipeline: PipelineView, limits: IntakeConfig, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Take events for a pipeline, within limits."""
        self._pipeline = pipeline
        self._limits = limits
        self._clock = clock
        self._buckets = TokenBuckets(limits.requests_per_second, limits.burst, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            self._limit_rate(request)
            body = await self._body(request)
            batch = await run_in_threadpool(
                parse, body, max_events=self._limits.max_events, now_ns=self._clock.now_ns()
            )
            future = self._pipeline.submit(batch.source, batch.sequence, batch.events)
            # Shielded: the pipeline may be committing the batch when we stop waiting for it.
            committed = asyncio.shield(asyncio.wrap_future(future))
            receipt = await asyncio.wait_for(committed, COMMIT_SECONDS)
        except InvalidBatchError as error:
            self._pipeline.rejected("invalid", error.events)
            return _errors(400, error.problems)
        except RefusedError as error:
            return _errors(error.status, [str(error)], error.retry_after)
        except UnavailableError as error:
            return _errors(503, [str(error)], RETRY_AFTER_SECONDS)
        except TimeoutError:
            message = f"not committed within {COMMIT_SECONDS:g} s; send the same batch again"
            return _errors(503, [message], RETRY_AFTER_SECONDS)
        except CostmeterError:
            log.exception("a batch could not be committed")
            return _errors(503, ["not committed; send the same batch again"], RETRY_AFTER_SECONDS)
        content = {"accepted": receipt.accepted, "duplicate": receipt.duplicate}
        return JSONResponse(content, 200 if receipt.duplicate else 202)

    def _limit_rate(self, request: Request) -> None:
        wait = self._buckets.take(request.client.host if request.client else "")
        if wait:
            self._pipeline.rejected("rate_limited", 1)
            message = f"more than {self._limits.requests_per_second:g} batches a second"
            raise RefusedError(429, message, retry_after=math.ceil(wait))

    async def _body(self, request: Request) -> bytes:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise RefusedError(415, "content-type: must be application/json")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise RefusedError(415, "content-encoding: must be gzip or identity")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(request, gzip=encoding == "gzip")
        except TimeoutError:
            raise RefusedError(408, f"the body took more than {BODY_SECONDS:g} s") from None
        except zlib.error:
            raise RefusedError(400, "the body is no gzip") from None

    async def _read(self, request: Request, *, gzip: bool) -> bytes:
        limit = self._limits.max_body_bytes
        inflater = zlib.decompressobj(wbits=31)
        body = bytearray()
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            body += inflater.decompress(chunk, limit + 1 - len(body)) if gzip else chunk
            if max(received, len(body)) > limit:
                self._pipeline.rejected("too_large", 1)
                raise RefusedError(413, f"the body has more than {limit} bytes")
        if gzip and (not inflater.eof or inflater.unused_data):
            raise RefusedError(400, "the body is not one whole gzip stream")
        return bytes(body)


def _errors(status: int, errors: Sequence[str], retry_after: int | None = None) -> Response:
    headers: Mapping[str, str] = {} if retry_after is None else {"retry-after": str(retry_after)}
    return JSONResponse({"errors": list(errors)}, status, headers)
