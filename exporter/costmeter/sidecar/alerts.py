"""``/v1/alerts``: Alertmanager tells of alerts, and what it told is shown.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, version 4.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from costmeter.ledger.alerts import Alert
from costmeter.sidecar.batch import MAX_PROBLEMS, InvalidBatchError
from costmeter.sidecar.config import problems
from costmeter.sidecar.intake import Intake

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 4 << 20
MAX_ALERTS: Final = 1000
"""Alerts of a notification; the receiver of ``alertmanager.yml`` sends fewer."""
MAX_LABELS: Final = 64
LATEST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""About as far as nanoseconds since 1970 go in 63 bits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def _may_be(time: datetime) -> datetime:
    if not _EPOCH <= time < LATEST:
        raise ValueError("is not a time between 1970 and 2262")
    return time


Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Value = Annotated[str, StringConstraints(max_length=1024)]
Text = Annotated[str, StringConstraints(max_length=8192)]
Instant = Annotated[AwareDatetime, AfterValidator(_may_be)]


class _Received(BaseModel):
    """What newer versions of Alertmanager add is no error."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Alert(_Received):
    status: Literal["firing", "resolved"]
    labels: Annotated[dict[Name, Value], Field(max_length=MAX_LABELS)]
    annotations: Annotated[dict[Name, Text], Field(max_length=MAX_LABELS)] = Field(
        default_factory=dict
    )
    starts_at: Annotated[Instant, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime | None, Field(alias="endsAt")] = None
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,32}$")]


class Notification(_Received):
    """A notification of Alertmanager.

    Attributes:
        version: of the format.
        truncated_alerts: how many alerts were left out of it.
        alerts: the others.
    """

    version: Literal["4"]
    truncated_alerts: Annotated[
        int, Field(alias="truncatedAlerts", ge=0, le=1_000_000, strict=True)
    ] = 0
    alerts: Annotated[tuple[_Alert, ...], Field(max_length=MAX_ALERTS)]


def parse(body: bytes, *, now_ns: int) -> tuple[list[Alert], int]:
    """Read a notification; return its alerts, and how many were left out of it.

    Args:
        body: JSON.
        now_ns: when it came, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidBatchError: it has problems: all of them, each with its path.
    """
    try:
        notification = Notification.model_validate_json(body)
    except ValidationError as error:
        told = problems(error)
        if len(told) > MAX_PROBLEMS:
            told = [*told[:MAX_PROBLEMS], "and more"]
        raise InvalidBatchError(told) from None
    return [_alert(each, now_ns) for each in notification.alerts], notification.truncated_alerts


def _alert(given: _Alert, now_ns: int) -> Alert:
    ends_ns = None
    if given.status == "resolved":
        ended = given.ends_at
        ends_ns = now_ns if ended is None or not _EPOCH <= ended < LATEST else _ns(ended)
    return Alert(
        given.fingerprint,
        _ns(given.starts_at),
        ends_ns,
        now_ns,
        given.labels,
        given.annotations,
    )


def _ns(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND * 1000


class AlertsEndpoint(Intake):
    """Takes notifications; answers 200 once the ledger holds them, known ones as well.

    Every body is JSON, with ``errors`` where refused.
    """

    media_types = ("application/json",)

    @property
    def max_body_bytes(self) -> int:
        """How large a body may be, compressed and inflated."""
        return MAX_BODY_BYTES

    def rejected(self, reason: str, count: int) -> None:  # noqa: ARG002 they are told together
        """Count what was refused."""
        self._pipeline.changes.refused(count)

    async def take(self, body: bytes, media_type: str, who: str) -> Response:  # noqa: ARG002 there is but one
        """Answer a notification."""
        alerts, truncated = await run_in_threadpool(parse, body, now_ns=self._clock.now_ns())
        taken = await self.committed(self._pipeline.changes.take_alerts(alerts, truncated, who))
        return JSONResponse({"news": taken.news, "repeated": taken.repeated})
