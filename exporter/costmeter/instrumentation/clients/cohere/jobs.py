"""Reads how jobs of Cohere stand that go on after they were answered: embed jobs and batches.

An embed job tells what was billed once it is complete, a batch its tokens, as text.

Sources: https://docs.cohere.com/reference/get-embed-job and
https://docs.cohere.com/reference/get-batch
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.answers import Answers
from costmeter.instrumentation.clients.batch_results import TIER
from costmeter.instrumentation.clients.begun import Asking, Beginning, Told, is_long_past
from costmeter.instrumentation.clients.cohere.usage import read
from costmeter.instrumentation.clients.fields import text_of
from costmeter.usage import MAX_QUANTITY

OPERATIONS: Final = {"v1/embed-jobs": "embeddings", "v2/batches": "chat"}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path that begins a job."""
_JOB: Final = re.compile(r"(v1/embed-jobs|v2/batches)/[^/]+")
_ENDS: Final = {
    "complete": "ok",
    "failed": "server_error",
    "cancelled": "cancelled",
    "BATCH_STATUS_COMPLETED": "ok",
    "BATCH_STATUS_FAILED": "server_error",
    "BATCH_STATUS_CANCELED": "cancelled",
}
"""Outcomes by the status of a job that is over."""


class _EmbedJob(msgspec.Struct):
    job_id: str
    status: Any = None
    model: Any = None
    created_at: datetime | None = None


class _Batch(msgspec.Struct):
    id: str
    status: Any = None
    model: Any = None
    input_tokens: Any = None
    output_tokens: Any = None
    created_at: datetime | None = None


class _Batches(msgspec.Struct):
    batch: _Batch


_decode_embed_job: Final = msgspec.json.Decoder(_EmbedJob).decode
_decode_batch: Final = msgspec.json.Decoder(_Batches).decode


def beginning(provider: str, path: str, model: str) -> Beginning | None:
    """Return the call that a ``POST`` to a path begins a job with; None where it begins none."""
    if (operation := OPERATIONS.get(path)) is None:
        return None
    return Beginning(operation, provider, model, reader=_READERS[path])


def asking(provider: str, path: str) -> Asking | None:
    """Return the question how a job stands that a ``GET`` of a path is; None where it is none."""
    if (job := _JOB.fullmatch(path)) is None:
        return None
    return Asking(OPERATIONS[job[1]], provider, "", reader=_READERS[job[1]], reservation="")


def _read_embed_job(body: bytes) -> Told:
    job = _decode_embed_job(body)
    billed = read(body)
    return Told(
        usage=billed.usage,
        odd=billed.odd,
        model=text_of(job.model),
        status=_ENDS.get(text_of(job.status), "ok"),
        name=job.job_id,
        over=job.status in _ENDS and not is_long_past(job.created_at),
    )


def _read_batch(body: bytes) -> Told:
    batch = _decode_batch(body).batch
    counts = {
        "input_tokens": _count(batch.input_tokens),
        "output_tokens": _count(batch.output_tokens),
    }
    return Told(
        usage={key: count for key, count in counts.items() if count} or None,
        model=text_of(batch.model),
        service_tier=TIER,
        status=_ENDS.get(text_of(batch.status), "ok"),
        name=batch.id,
        over=batch.status in _ENDS and not is_long_past(batch.created_at),
    )


def _count(text: object) -> int:
    """Return a count that is told as text; 0 where it is none."""
    return min(int(text), MAX_QUANTITY) if isinstance(text, str) and text.isdecimal() else 0


_READERS: Final = {"v1/embed-jobs": Answers(_read_embed_job), "v2/batches": Answers(_read_batch)}
