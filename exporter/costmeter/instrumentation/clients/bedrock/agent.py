"""Reads what agents of Amazon Bedrock tell of the models that they ask: in their traces alone.

An agent asks its models as often as it needs to; a trace names the model before it asks and tells
the tokens after. Without ``enableTrace`` nothing is told.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/trace-events.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/rerank.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from costmeter.instrumentation.clients.bedrock.usage import model_name
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import Reading, Share

_ANSWERS: Final = frozenset({"chunk", "files", "returnControl"})
DOCUMENTS_PER_UNIT: Final = 100
"""Documents of one query that one search unit pays for.

Source: https://aws.amazon.com/bedrock/pricing/
"""


class AgentTally:
    """Adds up what the events of an agent's answer tell, by model.

    Attributes:
        complete: whether the last word has been said; no event says so.
    """

    complete = False

    def __init__(self) -> None:
        """Know nothing yet."""
        self._answered = False
        self._asked: dict[str, str] = {}  # models by trace
        self._usage: dict[str, dict[str, int]] = {}
        self._odd: list[str] = []

    def event(self, event: Mapping[str, Any]) -> None:
        """Take in an event, as the SDK yields it."""
        self._answered |= not _ANSWERS.isdisjoint(event)
        for step in _steps(_fields(_fields(event.get("trace")).get("trace"))):
            self._step(step)

    def body(self, document: bytes) -> None:
        """Take in nothing: agents answer with events."""

    def ended(self) -> str:
        """Return the status of an answer without more events."""
        return "ok" if self._answered else "incomplete"

    def reading(self) -> Reading:
        """Return what is known so far: the first model's usage, and beside it that of others."""
        first, *others = self._usage.items() or [("", None)]
        return Reading(
            usage=first[1],
            model=first[0],
            others=tuple(Share(model, usage) for model, usage in others if usage),
            odd=tuple(self._odd),
        )

    def _step(self, step: Mapping[str, Any]) -> None:
        asked, told = _fields(step.get("modelInvocationInput")), step.get("modelInvocationOutput")
        if model := text_of(asked.get("foundationModel")):
            self._asked[text_of(asked.get("traceId"))] = model_name(model)
        usage = fields_of(_fields(_fields(told).get("metadata")).get("usage"))
        if usage is None:
            return
        counts = self._usage.setdefault(
            self._asked.get(text_of(_fields(told).get("traceId")), ""), {}
        )
        for name, key in (("inputTokens", "input_tokens"), ("outputTokens", "output_tokens")):
            if tokens := count_of(name, usage.get(name), self._odd):
                counts[key] = counts.get(key, 0) + tokens


class RankReader:
    """Tells what a ranking costs: the request says it all."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Take the parameters of the request."""
        self._units = units_of(len(given["sources"])) * len(given["queries"])

    def read(self, response: Mapping[str, Any]) -> Reading:  # noqa: ARG002 - it tells nothing
        """Return the search units, now that there is an answer."""
        return Reading(usage={"search_units": self._units})


def units_of(documents: int) -> int:
    """Return the search units of one query over a number of documents."""
    return max(-(-documents // DOCUMENTS_PER_UNIT), 1)


def _steps(trace: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a trace, of whichever kind."""
    return (step for step in trace.values() if isinstance(step, dict))


def _fields(thing: object) -> Mapping[str, Any]:
    return thing if isinstance(thing, dict) else {}
