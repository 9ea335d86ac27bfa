"""Reads what tuning a model at Vertex AI has used, once it is done.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.begun import Told, is_long_past
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.google_genai.usage import integer_of
from costmeter.instrumentation.clients.reading import NO_JSON, Reading

JOB: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?tuningJobs/[^/:?]+")
"""The path of a job."""
_ENDS: Final = {
    "JOB_STATE_SUCCEEDED": "ok",
    "JOB_STATE_FAILED": "error",
    "JOB_STATE_EXPIRED": "error",
    "JOB_STATE_CANCELLED": "cancelled",
}
"""How a job has ended, by its state; in any other it goes on."""
_BILLED: Final = "totalBillableTokenCount"


class _Job(msgspec.Struct, rename="camel"):
    name: str = ""
    state: str = ""
    base_model: Any = None
    supervised_tuning_spec: Any = None
    preference_optimization_spec: Any = None
    tuning_data_stats: Any = None
    end_time: datetime | None = None


_decode: Final = msgspec.json.Decoder(_Job).decode


class JobReader:
    """Reads a job of tuning."""

    def read(self, body: str | bytes) -> Reading:
        """Return what a job tells: the tokens of its data, each as often as it was trained with.

        Where the answer does not tell how often that is, there is no usage.
        """
        try:
            job = _decode(body)
        except msgspec.DecodeError:
            return NO_JSON
        odd: list[str] = []
        usage = None
        if job.state == "JOB_STATE_SUCCEEDED" and (tokens := _tokens(job, odd) * _epochs(job)):
            usage = {"training_tokens": tokens}
        return Told(
            usage=usage,
            model=f"{text_of(job.base_model).rpartition('/')[2]}-training",
            status=_ENDS.get(job.state, "ok"),
            odd=tuple(odd),
            name=job.name,
            over=job.state in _ENDS and not is_long_past(job.end_time),
        )


def _tokens(job: _Job, odd: list[str]) -> int:
    """Return the tokens of the data that are billed."""
    stats = fields_of(job.tuning_data_stats) or {}
    for name in ("supervisedTuningDataStats", "preferenceOptimizationDataStats"):
        if (told := fields_of(stats.get(name))) is not None:
            return count_of(_BILLED, integer_of(told.get(_BILLED)), odd)
    return 0


def _epochs(job: _Job) -> int:
    """Return how often the data was trained with; 0 where that is not told."""
    for spec in (job.supervised_tuning_spec, job.preference_optimization_spec):
        if (parameters := fields_of((fields_of(spec) or {}).get("hyperParameters"))) is not None:
            return count_of("epochCount", integer_of(parameters.get("epochCount")), [])
    return 0
