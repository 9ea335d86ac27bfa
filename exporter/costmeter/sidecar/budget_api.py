"""``/v1/budgets``, ``/v1/emergencies``, ``/v1/audit``: budgets over HTTP.

Budgets are written as in ``costmeter.yml``, in JSON. Every body is JSON, with ``errors`` where
refused. An entity tag tells versions of a budget apart, so that two who change it at once notice.
Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from costmeter.clock import SYSTEM_CLOCK, Clock, rfc3339
from costmeter.errors import ConfigError, CostmeterError
from costmeter.schema import Duration
from costmeter.sidecar.access import asker
from costmeter.sidecar.body import RefusedError, read_body
from costmeter.sidecar.budget_book import (
    ChangedMeanwhileError,
    ConflictError,
    Listed,
    Precondition,
    UnknownBudgetError,
    tag,
)
from costmeter.sidecar.intake import RETRY_AFTER_SECONDS
from costmeter.sidecar.view import PipelineView
from costmeter.units import NANO

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 1 << 16
MOST_ROWS: Final = 1000
"""Entries of the audit trail, or alerts, in an answer."""
CHANGE_SECONDS: Final = 30.0
"""How long a change may take before whoever asked for it is told to look again."""

Outcome = TypeVar("Outcome")
Endpoint = Callable[[Any, Request], Awaitable[Response]]

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode  # a float would round money
_STATUS: Final = {UnknownBudgetError: 404, ConflictError: 409, ChangedMeanwhileError: 412}
_duration: Final = TypeAdapter(Duration).validate_python


def told(endpoint: Endpoint) -> Endpoint:
    """Turn what an endpoint raises into answers."""

    @wraps(endpoint)
    async def answer(endpoints: Any, request: Request) -> Response:
        try:
            return await endpoint(endpoints, request)
        except ConfigError as error:
            return _refusal(400, error.problems)
        except RefusedError as error:
            return _refusal(error.status, [str(error)])
        except (UnknownBudgetError, ConflictError) as error:
            return _refusal(_STATUS[type(error)], [str(error)])
        except CostmeterError as error:
            log.warning("%s %s: %s", request.method, request.url.path, error)
            retry_after = {"retry-after": str(RETRY_AFTER_SECONDS)}
            return _refusal(503, ["cannot be done now; try again"], retry_after)

    return answer


class BudgetEndpoints:
    """Shows budgets and changes them, through a pipeline."""

    def __init__(self, pipeline: PipelineView, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Answer for a pipeline."""
        self._pipeline = pipeline
        self._clock = clock

    @told
    async def all(self, _: Request) -> Response:
        """Answer with all budgets, and with what keeps some of them from being in force."""
        changes = self._pipeline.changes
        budgets = [self._shown(name, each) for name, each in changes.listed().items()]
        return JSONResponse({"budgets": budgets, "problems": list(changes.problems)})

    @told
    async def one(self, request: Request) -> Response:
        """Answer with a budget."""
        return self._tagged(_name(request))

    @told
    async def put(self, request: Request) -> Response:
        """Make a budget, or change one that was made so."""
        name = _name(request)
        given = await _document(request)
        created = False

        def agrees(current: str | None) -> bool:
            nonlocal created
            created = current is None
            return precondition(current)

        precondition = _precondition(request)
        await _done(self._pipeline.changes.put_budget(name, given, asker(request), agrees))
        return self._tagged(name, 201 if created else 200)

    @told
    async def remove(self, request: Request) -> Response:
        """Remove a budget that was made so."""
        removal = self._pipeline.changes.remove_budget(
            _name(request), asker(request), _precondition(request)
        )
        await _done(removal)
        return Response(status_code=204)

    @told
    async def begin(self, request: Request) -> Response:
        """Put a budget in emergency."""
        return await self._switch(request, on=True)

    @told
    async def end(self, request: Request) -> Response:
        """Take a budget out of emergency, whatever put it there."""
        return await self._switch(request, on=False)

    @told
    async def audit(self, request: Request) -> Response:
        """Answer with the latest changes of budgets, oldest first."""
        asked = request.query_params
        since_ns = self._since_ns(asked.get("since", ""))
        trail = await run_in_threadpool(
            self._pipeline.changes.trail, since_ns, asked.get("budget", ""), MOST_ROWS
        )
        return JSONResponse({"changes": [each.document for each in trail]})

    @told
    async def alerts(self, request: Request) -> Response:
        """Answer with the alerts that fire and the recent ones, latest first."""
        since_ns = self._since_ns(request.query_params.get("since", "24h"))
        alerts = await run_in_threadpool(self._pipeline.changes.recent_alerts, since_ns, MOST_ROWS)
        return JSONResponse({"alerts": [each.document for each in alerts]})

    async def _switch(self, request: Request, *, on: bool) -> Response:
        name = _name(request)
        await _done(self._pipeline.changes.switch_emergency(name, asker(request), on=on))
        return self._tagged(name)

    def _tagged(self, name: str, status: int = 200) -> Response:
        listed = self._pipeline.changes.listed().get(name)
        if listed is None:
            raise UnknownBudgetError(f"{name!r}: no such budget")
        headers = {"etag": f'"{tag(listed.document)}"'}
        return JSONResponse(self._shown(name, listed), status, headers)

    def _shown(self, name: str, listed: Listed) -> dict[str, object]:
        reasons = self._pipeline.changes.emergency(name)
        return {
            "name": name,
            "source": listed.source,
            "emergency": {
                reason: None if until_ns is None else rfc3339(until_ns)
                for reason, until_ns in reasons.items()
            },
            "budget": listed.document,
        }

    def _since_ns(self, text: str) -> int:
        if not text:
            return 0
        try:
            back: timedelta = _duration(text)
        except ValidationError:
            problem = f"since: {text[:40]!r} is not a length of time such as 24h or 7d"
            raise RefusedError(400, problem) from None
        return self._clock.now_ns() - int(back.total_seconds()) * NANO


async def _done(change: Future[Outcome]) -> Outcome:
    try:
        # Shielded: it may be under way when we stop waiting for it.
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(change)), CHANGE_SECONDS)
    except TimeoutError:
        raise CostmeterError(f"not done within {CHANGE_SECONDS:g} s") from None


def _name(request: Request) -> str:
    return str(request.path_params["name"])


async def _document(request: Request) -> object:
    """Return the JSON that a request brings.

    Raises:
        RefusedError: it brings something else.
    """
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, InvalidOperation) as error:
        raise RefusedError(400, f"the body is no JSON: {error}") from None


def _precondition(request: Request) -> Precondition:
    """Return what ``If-Match`` and ``If-None-Match: *`` ask for."""
    wanted = request.headers.get("if-match")
    unwanted = request.headers.get("if-none-match")

    def agrees(current: str | None) -> bool:
        if wanted is not None:
            tags = {each.strip().strip('"') for each in wanted.split(",")}
            if current is None or not tags & {current, "*"}:
                return False
        return not (unwanted == "*" and current is not None)

    return agrees


def _refusal(
    status: int, errors: Sequence[str], headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse({"errors": list(errors)}, status, headers)
