"""Mistral's clients for Azure and for Google Cloud: what they ask for, and of whom."""

from __future__ import annotations

from types import SimpleNamespace

import httpx2
import pytest

from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.mistral.clouds import Cloud, meter
from costmeter.instrumentation.clients.providers import Providers

PREDICT = "/v1/projects/p/locations/europe-west4/publishers/mistralai/models/codestral-2"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/models/chat/completions#stream", "chat/completions"),
        ("/providers/mistral/azure/ocr", "ocr"),
        ("/rawPredict", "chat/completions"),
        ("/streamRawPredict#fim", "fim/completions"),
        (f"{PREDICT}:rawPredict", "chat/completions"),  # as it is sent
        (f"{PREDICT}:streamRawPredict#fim", "fim/completions"),
        ("/models", ""),
    ],
)
def test_a_path_tells_what_is_asked_for(path: str, asked: str) -> None:
    cloud = Cloud(Settings(), "gcp.vertex_ai")
    assert cloud.path(httpx2.URL(f"https://europe-west4-aiplatform.googleapis.com{path}")) == asked


def test_the_class_tells_the_provider_unless_an_address_is_given_another() -> None:
    settings = Settings(providers=Providers({"gateway.internal": "mine"}))
    cloud = Cloud(settings, "azure.ai.inference")
    assert cloud.provider("https://m.services.ai.azure.com/models") == "azure.ai.inference"
    assert cloud.provider("https://gateway.internal/models") == "mine"


def test_a_client_that_is_made_otherwise_is_not_metered() -> None:
    module = SimpleNamespace(__name__="mistralai.gcp.client", MistralGCP=object)
    with pytest.raises(LookupError, match=r"object\.do_request is no method"):
        meter(module, Settings())  # type: ignore[arg-type]
