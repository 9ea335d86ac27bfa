"""Usage over HTTP, from where no journal directory can be shared, and ``POST /v1/events``.

What comes in is a stranger's: its size, its rate and each of its fields are bounded. A batch is
taken whole or not at all, and once: sent again with the same source and sequence, as a sender does
that got no answer, it is answered and not added.
"""

from __future__ import annotations

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.errors import CostmeterError
from costmeter.sidecar.access import asker
from costmeter.sidecar.batch import InvalidBatchError, parse
from costmeter.sidecar.body import RefusedError, media_type_of, read_body
from costmeter.sidecar.config import IntakeConfig
from costmeter.sidecar.handover import UnavailableError
from costmeter.sidecar.rate import TokenBuckets
from costmeter.sidecar.view import PipelineView

log = logging.getLogger(__name__)

COMMIT_SECONDS: Final = 30.0
"""How long a batch may take to be committed before its sender is told to try again."""
RETRY_AFTER_SECONDS: Final = 5

Outcome = TypeVar("Outcome")


class Intake(ABC):
    """Takes what strangers send to a pipeline, within limits.

    Refuses with 408, 413, 415 and 429 where a limit is broken, 400 where what was sent is not
    right, and 503 where it could not be committed now and should be sent again.

    Attributes:
        media_types: what a body may be.
    """

    media_types: tuple[str, ...]

    def __init__(
        self, pipeline: PipelineView, limits: IntakeConfig, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Take usage for a pipeline, within limits."""
        self._pipeline = pipeline
        self._limits = limits
        self._clock = clock
        self._buckets = TokenBuckets(limits.requests_per_second, limits.burst, clock=clock)

    @property
    def max_body_bytes(self) -> int:
        """How large a body may be, compressed and inflated."""
        return self._limits.max_body_bytes

    @abstractmethod
    async def take(self, body: bytes, media_type: str, who: str) -> Response:
        """Answer a body of a user or token; ``who`` is empty where nobody said who they are.

        Raises:
            InvalidBatchError: it has problems.
            RefusedError: it is refused.
            UnavailableError: the pipeline takes nothing now.
        """

    def refuse(
        self,
        status: int,
        errors: Sequence[str],
        media_type: str,  # noqa: ARG002 JSON, unless an intake has more to choose from
        headers: Mapping[str, str],
    ) -> Response:
        """Return the answer that tells a sender, who sent a media type, what is wrong."""
        return JSONResponse({"errors": list(errors)}, status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        media_type = media_type_of(request)
        try:
            self._limit_rate(request)
            return await self.take(await self._body(request), media_type, asker(request))
        except InvalidBatchError as error:
            self.rejected("invalid", error.events)
            return self.refuse(400, error.problems, media_type, {})
        except RefusedError as error:
            status, problem, retry_after = error.status, str(error), error.retry_after
        except UnavailableError as error:
            status, problem, retry_after = 503, str(error), RETRY_AFTER_SECONDS
        except CostmeterError:
            log.exception("a batch could not be committed")
            problem = "not committed; send the same batch again"
            status, retry_after = 503, RETRY_AFTER_SECONDS
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return self.refuse(status, [problem], media_type, headers)

    def rejected(self, reason: str, count: int) -> None:
        """Count what was refused."""
        self._pipeline.rejected(reason, count)

    @staticmethod
    async def committed(receipt: Future[Outcome]) -> Outcome:
        """Wait for a batch to be committed.

        Raises:
            RefusedError: it takes too long.
            CostmeterError: it could not be committed.
        """
        try:
            # Shielded: the pipeline may be committing the batch when we stop waiting for it.
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(receipt)), COMMIT_SECONDS
            )
        except TimeoutError:
            message = f"not committed within {COMMIT_SECONDS:g} s; send the same batch again"
            raise RefusedError(503, message, retry_after=RETRY_AFTER_SECONDS) from None

    def _limit_rate(self, request: Request) -> None:
        wait = self._buckets.take(request.client.host if request.client else "")
        if wait:
            self.rejected("rate_limited", 1)
            message = f"more than {self._limits.requests_per_second:g} batches a second"
            raise RefusedError(429, message, retry_after=math.ceil(wait))

    async def _body(self, request: Request) -> bytes:
        try:
            return await read_body(request, self.max_body_bytes, media_types=self.media_types)
        except RefusedError as error:
            if error.status == 413:
                self.rejected("too_large", 1)
            raise


class EventsEndpoint(Intake):
    """Takes batches of events.

    Answers 202 once the ledger holds a batch, 200 for one that it held already. Every body is JSON,
    with ``errors`` where refused: all problems by field.
    """

    media_types = ("application/json",)

    async def take(self, body: bytes, media_type: str, who: str) -> Response:  # noqa: ARG002 for anyone
        """Answer a batch."""
        batch = await run_in_threadpool(
            parse, body, max_events=self._limits.max_events, now_ns=self._clock.now_ns()
        )
        receipt = await self.committed(
            self._pipeline.submit(batch.source, batch.sequence, batch.events)
        )
        content = {"accepted": receipt.accepted, "duplicate": receipt.duplicate}
        return JSONResponse(content, 200 if receipt.duplicate else 202)
