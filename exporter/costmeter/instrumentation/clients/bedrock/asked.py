"""What a call of Amazon Bedrock asks for, and what reads the answer to it.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/ and
https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from costmeter.instrumentation.boundary import attempt
from costmeter.instrumentation.clients.bedrock.agent import RankReader, units_of
from costmeter.instrumentation.clients.bedrock.guardrail import GUARDRAIL, GuardrailReader
from costmeter.instrumentation.clients.bedrock.media import (
    AsyncInvokeReader,
    asked_of_film,
    foreseen_of_film,
    foreseen_of_pictures,
)
from costmeter.instrumentation.clients.bedrock.usage import model_name, stands_for_another
from costmeter.instrumentation.clients.begun import Asking, Beginning
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.reading import NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNTIME: Final = "bedrock-runtime"
AGENTS: Final = "bedrock-agent-runtime"
ANY_MODEL: Final = frozenset({"Converse", "ConverseStream"})
"""Operations that ask every model the same way; elsewhere the body is of a model's own format."""
OF_MODELS: Final = ANY_MODEL | {"InvokeModel", "InvokeModelWithResponseStream"}
OPERATIONS: Final = OF_MODELS | {
    "ApplyGuardrail",
    "InvokeGuardrailChecks",
    "StartAsyncInvoke",
    "GetAsyncInvoke",
    "InvokeAgent",
    "InvokeInlineAgent",
    "Rerank",
}
_GUARDRAILS: Final = frozenset({"ApplyGuardrail", "InvokeGuardrailChecks"})
_DRAWING: Final = ("amazon.nova-canvas", "amazon.titan-image", "stability.")


class AnswerReader(Protocol):
    """Reads an answer of the SDK that does not tell tokens."""

    def read(self, response: Mapping[str, Any]) -> Reading:
        """Return what an answer tells."""


class Invoking(Call):
    """A call of a model.

    Attributes:
        tier: what has another price, by the request alone.
        used: what it uses by the request alone, where the answer tells nothing.
    """

    tier: str = ""
    used: dict[str, int] | None = None


class Made(Call):
    """A call whose answer is read by a reader of its own."""

    answer: AnswerReader | None = None


class Begins(Beginning):
    """A call that begins a piece of work."""

    answer: AnswerReader | None = None


class Asks(Asking):
    """A request for what became of a piece of work."""

    answer: AnswerReader | None = None


class _Ranked(msgspec.Struct):
    """The field of a request for a ranking that matters here; its texts are passed over."""

    documents: list[msgspec.Raw]


_decode_ranked: Final = msgspec.json.Decoder(_Ranked).decode


def call_of(service: str, operation: str, given: Mapping[str, Any], provider: str) -> Call | None:
    """Return the call that an operation of a service makes; None where it is not metered.

    Args:
        service: AWS's name of the service.
        operation: AWS's name of the operation.
        given: its parameters.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
    """
    model = given.get("modelId")
    name = model_name(model) if isinstance(model, str) else ""
    if service == AGENTS:
        return _of_agents(operation, given, provider)
    if service != RUNTIME:
        return None
    if operation in OF_MODELS:
        return invoking(operation, name, given.get("body"), provider)
    return _beside_models(operation, name, given, provider)


def _beside_models(
    operation: str, model: str, given: Mapping[str, Any], provider: str
) -> Call | None:
    """Return a call that is not one of a model that answers."""
    if operation in _GUARDRAILS:
        return Made("guardrail", provider, GUARDRAIL, exact=True, answer=GuardrailReader())
    reader = AsyncInvokeReader(provider)
    if operation == "StartAsyncInvoke":
        asked = asked_of_film(given.get("modelInput"))
        foreseen = foreseen_of_film(asked)
        return Begins(
            "video_generation", provider, model, foreseen=foreseen, asked=asked, answer=reader
        )
    if operation == "GetAsyncInvoke":
        return Asks("video_generation", provider, "", answer=reader, reservation="")
    return None


def invoking(operation: str, model: str, body: object, provider: str) -> Invoking:
    """Return a call of a model, by its name in the recorded form."""
    name = _operation(operation, model, body)
    used = attempt(_used, body, default=None) if name == "rerank" else None
    foreseen = Reading(usage=used) if used else NOTHING
    if name == "image_generation":
        foreseen = attempt(foreseen_of_pictures, model, body, default=NOTHING)
    return Invoking(
        operation=name,
        provider=provider,
        model=model,
        exact=not stands_for_another(model),
        foreseen=foreseen,
        tier=foreseen.service_tier,
        used=used,
    )


def _of_agents(operation: str, given: Mapping[str, Any], provider: str) -> Call | None:
    """Return a call of the service of agents."""
    if operation in ("InvokeAgent", "InvokeInlineAgent"):
        model = given.get("foundationModel")
        return Call("invoke_agent", provider, model_name(model) if isinstance(model, str) else "")
    if operation == "Rerank":
        config = given["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        model = model_name(config["modelConfiguration"]["modelArn"])
        reader = RankReader(given)
        foreseen = reader.read({})
        return Made("rerank", provider, model, exact=True, foreseen=foreseen, answer=reader)
    return None


def _used(body: Any) -> dict[str, int]:
    return {"search_units": units_of(len(_decode_ranked(body).documents))}


def _operation(operation: str, model: str, body: object) -> str:
    """Return OpenTelemetry's name of what is asked for; a body of ``InvokeModel`` may be any."""
    for word, name in (("embed", "embeddings"), ("rerank", "rerank")):
        if word in model:
            return name
    if any(name in model for name in _DRAWING):
        return "image_generation"
    if operation.startswith("Invoke") and isinstance(body, bytes | bytearray | str):
        messages = '"messages"' if isinstance(body, str) else b'"messages"'
        return "chat" if messages in body else "text_completion"  # type: ignore[operator]
    return "chat"
