"""The attributes that usage is made of, and what their values stand for.

Sources: https://github.com/open-telemetry/semantic-conventions-genai (today's names),
https://github.com/open-telemetry/semantic-conventions/blob/v1.36.0/docs/gen-ai/README.md (until
2025), https://arize-ai.github.io/openinference/spec/ (OpenInference),
https://www.traceloop.com/docs/openllmetry/contributing/semantic-conventions (OpenLLMetry),
https://ai-sdk.dev/docs/ai-sdk-core/telemetry (AI SDK).
"""

from __future__ import annotations

from typing import Final

from costmeter.units import NANO

PREFIX: Final = "costmeter."
"""Attributes under this prefix say whom a call was for: ``costmeter.feature`` is ``feature``."""
METERED: Final = ("costmeter.metered", "telemetry.costmeter")
"""Marks of a span, or of all spans of a resource, whose calls are metered in the process itself."""
OPERATION: Final = ("gen_ai.operation.name", "llm.request.type", "openinference.span.kind")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "gen_ai.request.model",
    "llm.model_name",
    "llm.request.model_name",
    "embedding.model_name",
)
RESPONSE_ID: Final = ("gen_ai.response.id",)
SERVICE_TIER: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
ERROR_TYPE: Final = ("error.type", "http.response.status_code", "http.status_code")
FIRST_CHUNK: Final = {
    "gen_ai.response.time_to_first_chunk": NANO,
    "gen_ai.response.time_to_first_token": NANO,
    "ai.response.msToFirstChunk": NANO // 1000,
}
"""What tells how long the first chunk of a stream took, and nanoseconds of the unit of each."""
USAGE: Final = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "llm.token_count.prompt_details.cache_write",
    ),
    "input_audio_tokens": ("llm.token_count.prompt_details.audio",),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
    "output_audio_tokens": ("llm.token_count.completion_details.audio",),
}
"""What tells each kind of token, the newest name first; the first that is there counts."""
ATTRIBUTES: Final = {
    "endpoint": ("http.route",),
    "feature": ("feature",),
    "team": ("team",),
    "tenant": ("tenant",),
    "service": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),
}
"""Attributes of an event by the names that a span or its resource has for them, where
``costmeter.<name>`` is not there."""

OPERATIONS: Final = {
    "chat": "chat",
    "generate_content": "generate_content",
    "text_completion": "text_completion",
    "embeddings": "embeddings",
    "completion": "text_completion",  # OpenLLMetry
    "embedding": "embeddings",
    "llm": "chat",  # OpenInference
}
"""Operations that count, by the names that spans have for them. All others, those of agents, tools
and workflows among them, do not: their model calls have spans of their own."""

PROVIDERS: Final = {
    "aws": "aws.bedrock",  # OpenLLMetry, OpenInference
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistralai": "mistral_ai",
    "vertexai": "gcp.vertex_ai",
    "az.ai.inference": "azure.ai.inference",  # conventions until 2025
    "az.ai.openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
    "amazon-bedrock": "aws.bedrock",  # AI SDK
    "anthropic.messages": "anthropic",
    "azure.chat": "azure.ai.openai",
    "azure.responses": "azure.ai.openai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex.chat": "gcp.vertex_ai",
    "mistral.chat": "mistral_ai",
    "openai.chat": "openai",
    "openai.completion": "openai",
    "openai.embedding": "openai",
    "openai.responses": "openai",
    "groq.chat": "groq",
    "xai.chat": "x_ai",
}
UNKNOWN_PROVIDER: Final = "unknown"

STATUS_BY_WORD: Final = {
    "ratelimit": "rate_limited",
    "throttl": "rate_limited",
    "toomanyrequests": "rate_limited",
    "resourceexhausted": "rate_limited",
    "timeout": "timeout",
    "timedout": "timeout",
    "deadlineexceeded": "timeout",
    "econn": "connection_error",
    "cancel": "cancelled",
    "abort": "cancelled",
    "generatorexit": "cancelled",
    "connect": "connection_error",
    "enotfound": "connection_error",
    "authentication": "authentication",
    "unauthorized": "authentication",
    "unauthenticated": "authentication",
    "permission": "permission_denied",
    "forbidden": "permission_denied",
    "notfound": "not_found",
    "conflict": "conflict",
    "badrequest": "bad_request",
    "invalid": "bad_request",
    "validation": "bad_request",
    "unprocessable": "bad_request",
    "internalserver": "server_error",
    "serviceunavailable": "server_error",
    "overloaded": "server_error",
}
"""What a word in an error's type, without case and punctuation, stands for; the first counts."""

_WANTED: Final = frozenset(
    name
    for names in (
        METERED,
        OPERATION,
        PROVIDER,
        MODEL,
        RESPONSE_ID,
        SERVICE_TIER,
        ERROR_TYPE,
        FIRST_CHUNK,
        *USAGE.values(),
        *ATTRIBUTES.values(),
    )
    for name in names
)


def wanted(name: str) -> bool:
    """Whether usage is made of an attribute."""
    return name in _WANTED or name.startswith(PREFIX)
