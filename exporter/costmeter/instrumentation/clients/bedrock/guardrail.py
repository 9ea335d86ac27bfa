"""Reads what guardrails of Amazon Bedrock cost: text units by policy, whatever the model beside it.

Each policy has a price of its own, so each counts under a name of its own. Filters of words and
patterns are free.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailUsage.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeGuardrailChecks.html and
https://aws.amazon.com/bedrock/pricing/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from costmeter.instrumentation.clients.fields import count_of
from costmeter.instrumentation.clients.reading import Reading, Share

GUARDRAIL: Final = "guardrail"
"""What a call of a guardrail alone counts as; what it looked through counts beside it."""

_POLICIES: Final = {
    "topicPolicyUnits": (f"{GUARDRAIL}-denied-topics", "text_units"),
    "contentPolicyUnits": (f"{GUARDRAIL}-content-filters", "text_units"),
    "contentPolicyImageUnits": (f"{GUARDRAIL}-content-filters", "images"),
    "sensitiveInformationPolicyUnits": (f"{GUARDRAIL}-sensitive-information", "text_units"),
    "contextualGroundingPolicyUnits": (f"{GUARDRAIL}-contextual-grounding", "text_units"),
    "automatedReasoningPolicyUnits": (f"{GUARDRAIL}-automated-reasoning", "text_units"),
}
"""The name that the units of a policy count under, and their key."""


_CHECKS: Final = {
    "contentFilter": f"{GUARDRAIL}-check-content-filter",
    "promptAttack": f"{GUARDRAIL}-check-prompt-attack",
    "sensitiveInformation": f"{GUARDRAIL}-check-sensitive-information",
}
"""The name that the text units of a check count under, which needs no guardrail of one's own."""


class GuardrailReader:
    """Reads the answer of a guardrail that was asked alone, or of single checks."""

    def read(self, response: Mapping[str, Any]) -> Reading:
        """Return what an answer of the SDK tells."""
        odd: list[str] = []
        usage = _fields(response.get("usage"))
        checks = tuple(
            Share(model, {"text_units": units})
            for name, model in _CHECKS.items()
            if (units := count_of(name, _fields(usage.get(name)).get("textUnits"), odd))
        )
        return Reading(others=shares([usage], odd) + checks, odd=tuple(odd))


def shares(usages: Iterable[Mapping[str, Any]], odd: list[str]) -> tuple[Share, ...]:
    """Return what guardrails have used, added up by policy."""
    found: dict[str, dict[str, int]] = {}
    for usage in usages:
        for name, (model, key) in _POLICIES.items():
            if units := count_of(name, usage.get(name), odd):
                counts = found.setdefault(model, {})
                counts[key] = counts.get(key, 0) + units
    return tuple(Share(model, usage) for model, usage in found.items())


def usages_of(trace: object) -> list[Mapping[str, Any]]:
    """Return the usages in the trace of a guardrail beside a model, of both its directions."""
    guardrail = _fields(_fields(trace).get("guardrail"))
    found = []
    for name in ("inputAssessment", "input", "outputAssessments"):
        for assessments in _fields(guardrail.get(name)).values():
            found += assessments if isinstance(assessments, list) else [assessments]
    for output in _list(guardrail.get("outputs")):
        found += _fields(output).values()
    return [_fields(_fields(_fields(one).get("invocationMetrics")).get("usage")) for one in found]


def _fields(thing: object) -> Mapping[str, Any]:
    return thing if isinstance(thing, dict) else {}


def _list(thing: object) -> list[Any]:
    return thing if isinstance(thing, list) else []
