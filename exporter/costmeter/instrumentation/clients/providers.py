"""Which provider answers at an address: many speak OpenAI's wire format, at their own prices.

Names are OpenTelemetry's ``gen_ai.provider.name`` where it has one, else those of genai-prices.
An address that nobody named counts under its host, never as OpenAI: it must not be priced as what
it is not.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from costmeter.errors import ConfigError
from costmeter.instrumentation.context import clipped
from costmeter.usage import MAX_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT: Final = "COSTMETER_PROVIDERS"
"""The environment variable with addresses and their providers: ``address=name,address=name``."""

HOSTS: Final = {
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.voyageai.com": "voyageai",
    "api.x.ai": "x_ai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "mistral.ai": "mistral_ai",
    "openai.azure.com": "azure.ai.openai",
    "openrouter.ai": "openrouter",
    "services.ai.azure.com": "azure.ai.openai",
}
"""Providers by host; a host stands for its subdomains too (``eu.api.openai.com``)."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
OLLAMA_PORT: Final = 11434

_REMEMBERED: Final = 1000
"""How many addresses are remembered with their providers."""


class Providers:
    """Finds the provider behind an address.

    Overrides map an address to a provider and win over everything known here, the longest first:
    a host (``llm.internal``), a host and port (``127.0.0.1:8001``) or the beginning of a URL
    (``https://gateway.internal/groq``).
    """

    def __init__(self, overrides: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take overrides, address to provider.

        Raises:
            ConfigError: an address is none.
        """
        if problems := [f"{at!r} is not an address" for at in overrides if not _address(at)]:
            raise ConfigError("providers", problems)
        self._overrides = sorted(
            ((_address(at), name) for at, name in overrides.items()),
            key=lambda override: -len(override[0]),
        )
        self._known: dict[str, str] = {}
        self._objects: dict[tuple[int, str], tuple[object, str]] = {}

    def of(self, url: object, default: str = "") -> str:
        """Do the same as :meth:`at` for the URL object that a client keeps, at less expense."""
        # What is kept here lives, so no other object can have its id.
        if (known := self._objects.get((id(url), default))) is None:
            if len(self._objects) >= _REMEMBERED:
                self._objects.clear()
            known = self._objects[id(url), default] = (url, self.at(str(url), default))
        return known[1]

    def at(self, url: str, default: str = "") -> str:
        """Return the provider at a URL; ``default`` is what the client's own class tells."""
        key = default + url
        if (provider := self._known.get(key)) is None:
            provider = clipped(self._find(url, default), MAX_NAME_LENGTH)
            if (
                len(self._known) < _REMEMBERED
            ):  # addresses come from the application: few, but bounded
                self._known[key] = provider
        return provider

    def _find(self, url: str, default: str) -> str:
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = _address(url)
        for prefix, name in self._overrides:
            if prefix in (host, address) or address.startswith(prefix + "/"):
                return name
        return default or _by_host(host, parts.port) or host or "unknown"


def _by_host(host: str, port: int | None) -> str:
    labels = host.split(".")
    for first in range(len(labels) - 1):
        if name := HOSTS.get(".".join(labels[first:])):
            return name
    if labels[0].startswith(("bedrock-runtime", "bedrock-mantle")):
        return "aws.bedrock"
    if labels[0].endswith("-aiplatform"):
        return "gcp.vertex_ai"
    return "ollama" if host in LOOPBACK and port == OLLAMA_PORT else ""


def overrides_from_environment() -> tuple[dict[str, str], list[str]]:
    """Return the overrides in :data:`ENVIRONMENT`, and what is wrong with the rest of it."""
    overrides: dict[str, str] = {}
    problems = []
    for part in filter(None, map(str.strip, os.environ.get(ENVIRONMENT, "").split(","))):
        address, _, name = (piece.strip() for piece in part.rpartition("="))
        if name and _address(address):
            overrides[address] = name
        else:
            problems.append(f"{ENVIRONMENT}: {part!r} is not address=provider")
    return overrides, problems


def _address(url: str) -> str:
    """Return what addresses are compared by, host, port and path; empty where a URL has no host."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}{parts.path}".rstrip("/") if parts.hostname else ""
