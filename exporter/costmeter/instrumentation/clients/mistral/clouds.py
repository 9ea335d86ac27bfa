"""Meters Mistral's clients for Azure and for Google Cloud: chats, fill-in-the-middle, and pages.

They are made as its own, but for their paths, and for the provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.clients.mistral.client import Mistral, seams_of

if TYPE_CHECKING:
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings

_CLIENTS: Final = {"MistralAzure": "azure.ai.inference", "MistralGCP": "gcp.vertex_ai"}
"""OpenTelemetry's ``gen_ai.provider.name`` by the class of a client."""
_PATHS: Final = {
    "/models/chat/completions": "chat/completions",
    "/providers/mistral/azure/ocr": "ocr",
    "rawPredict": "chat/completions",
    "streamRawPredict": "chat/completions",
}
"""Paths of Mistral's own service by the ends of those of the clouds."""


class Cloud(Mistral):
    """The dialect of a client for another cloud."""

    def __init__(self, settings: Settings, default: str) -> None:
        """Take the settings, and the provider that the client's class tells."""
        super().__init__(settings)
        self._default = default

    def path(self, url: Any) -> str:
        """Return what a request asks for, by the path of Mistral's own service."""
        if url.fragment == "fim":
            return "fim/completions"
        return next((path for end, path in _PATHS.items() if url.path.endswith(end)), "")

    def provider(self, url: str) -> str:
        """Return the provider at a URL."""
        return self._settings.providers.at(url, self._default)


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter a client, and count its retries.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    name = next(name for name in _CLIENTS if hasattr(module, name))
    return seams_of(module, name, Cloud(settings, _CLIENTS[name]))
