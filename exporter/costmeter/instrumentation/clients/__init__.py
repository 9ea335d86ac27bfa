"""The SDKs that can be metered, a package each, and what they share.

In each is a module with a function ``meter``: it takes the imported SDK and the settings and
returns what is to be put in and taken out again. It neither imports the SDK nor changes it itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

from costmeter.instrumentation.clients.providers import Providers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

CLIENTS: Final = {
    "aiobotocore.client": "costmeter.instrumentation.clients.bedrock.aiobotocore",
    "anthropic": "costmeter.instrumentation.clients.anthropic.client",
    "botocore": "costmeter.instrumentation.clients.bedrock.client",
    "celery": "costmeter.instrumentation.frameworks.celery",
    "cohere.client": "costmeter.instrumentation.clients.cohere.client",
    "flask": "costmeter.instrumentation.frameworks.flask",
    "google.genai": "costmeter.instrumentation.clients.google_genai.client",
    "groq": "costmeter.instrumentation.clients.groq.client",
    "litellm.llms.custom_httpx.http_handler": "costmeter.instrumentation.clients.litellm.client",
    "mistralai.azure.client": "costmeter.instrumentation.clients.mistral.clouds",
    "mistralai.client": "costmeter.instrumentation.clients.mistral.client",
    "mistralai.gcp.client": "costmeter.instrumentation.clients.mistral.clouds",
    "ollama": "costmeter.instrumentation.clients.ollama.client",
    "openai": "costmeter.instrumentation.clients.openai.client",
    "starlette.applications": "costmeter.instrumentation.frameworks.starlette",
}
"""Import names of SDKs and of what calls come from, and the modules that meter them."""

ALIASES: Final = {
    "aiobotocore": "aiobotocore.client",
    "boto3": "botocore",
    "cohere": "cohere.client",
    "fastapi": "starlette.applications",
    "litellm": "litellm.llms.custom_httpx.http_handler",
    "mistralai": "mistralai.client",
    "starlette": "starlette.applications",
}
"""Names of packages, where what is metered is a module inside or below them."""


@dataclass(slots=True)
class Settings:
    """What applies to all SDKs; it may change while they are metered.

    Attributes:
        providers: finds the provider behind an address.
        stream_usage: whether to ask for the usage of streams where the caller did not; the caller
            does not get to see the answer.
    """

    providers: Providers = field(default_factory=Providers)
    stream_usage: bool = True


class Patch(Protocol):
    """A change to an SDK that can be undone."""

    def put(self) -> None:
        """Start metering."""

    def take(self) -> None:
        """Stop metering, and leave the SDK as it was."""


class Client(Protocol):
    """A module that meters one SDK."""

    def meter(self, module: ModuleType, settings: Settings) -> Sequence[Patch]:
        """Return the patches that meter an SDK; raises where it is not made as it was."""


def client_of(sdk: str) -> Client:
    """Return the module that meters an SDK of :data:`CLIENTS`."""
    return cast("Client", import_module(CLIENTS[sdk]))
