"""Whom a provider's name means: OpenTelemetry's names and the catalogue's mean the same providers.

Names are compared exactly, never by a part of them: a gateway called ``my-openai-proxy`` is not
OpenAI until the configuration says so (``prices.providers.my-openai-proxy.same_as: openai``).
"""

from __future__ import annotations

from typing import Final

CATALOGUE_IDS: Final = {
    # OpenTelemetry's values of gen_ai.provider.name, and its older gen_ai.system.
    # Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "groq": "groq",
    "mistral_ai": "mistral",
    "openai": "openai",
    "perplexity": "perplexity",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    # Other names in wide use.
    "azure_openai": "azure",
    "bedrock": "aws",
    "fireworks_ai": "fireworks",
    "jina_ai": "jina",
    "moonshot": "moonshotai",
    "together_ai": "together",
    "voyage": "voyageai",
    "voyage_ai": "voyageai",
}
"""Providers' other names, to the id that the catalogue (or our own data) has them under."""


def catalogue_id(provider: str) -> str:
    """Return the id under which prices of a provider are kept; an unknown name is its own id."""
    name = provider.strip().lower()
    return CATALOGUE_IDS.get(name, name)
