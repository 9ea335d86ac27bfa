from __future__ import annotations

import pytest

from costmeter.errors import ConfigError
from costmeter.instrumentation.clients.providers import Providers, overrides_from_environment


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1/", "openai"),
        ("https://eu.api.openai.com/v1/", "openai"),
        ("https://API.OpenAI.com/v1/", "openai"),
        ("https://mine.openai.azure.com/openai/v1/", "azure.ai.openai"),
        ("https://api.groq.com/openai/v1/", "groq"),
        ("https://api.deepseek.com/", "deepseek"),
        ("https://api.mistral.ai/v1/", "mistral_ai"),
        ("https://api.x.ai/v1/", "x_ai"),
        ("https://openrouter.ai/api/v1/", "openrouter"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gcp.gemini"),
        ("https://europe-west4-aiplatform.googleapis.com/v1/projects/p/", "gcp.vertex_ai"),
        ("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1/", "aws.bedrock"),
        ("https://bedrock-mantle.us-east-1.api.aws/openai/v1/", "aws.bedrock"),
        ("http://localhost:11434/v1/", "ollama"),
        ("http://127.0.0.1:11434/v1/", "ollama"),
        ("http://[::1]:11434/v1/", "ollama"),
    ],
)
def test_a_known_host_has_its_providers_name(url: str, provider: str) -> None:
    assert Providers().at(url) == provider


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("http://127.0.0.1:8000/v1/", "127.0.0.1"),
        ("http://vllm.internal:8000/v1/", "vllm.internal"),
        ("https://api.openai.com.evil.example/v1/", "api.openai.com.evil.example"),
        ("https://notopenai.com/", "notopenai.com"),
        ("https://user:secret@llm.example/v1", "llm.example"),
    ],
)
def test_an_unknown_host_counts_under_its_own_name_and_never_as_openai(
    url: str, provider: str
) -> None:
    assert Providers().at(url) == provider


def test_what_the_client_tells_of_itself_goes_before_the_host() -> None:
    assert Providers().at("https://gateway.example/", "azure.ai.openai") == "azure.ai.openai"


@pytest.mark.parametrize(
    ("address", "matches", "not_matched"),
    [
        ("llm.internal", "https://llm.internal:9/v1/", "https://x.llm.internal/v1/"),
        ("llm.internal:9", "http://llm.internal:9/v1/", "http://llm.internal:99/v1/"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/v1/", "http://127.0.0.1:8002/v1/"),
        ("http://127.0.0.1:8001/v1/", "http://127.0.0.1:8001/v1/", "http://127.0.0.1:8001/v2/"),
        ("https://gate.example/groq", "https://gate.example/groq/v1", "https://gate.example/groq2"),
    ],
)
def test_an_override_matches_host_port_and_the_beginning_of_the_path(
    address: str, matches: str, not_matched: str
) -> None:
    providers = Providers({address: "mine"})
    assert providers.at(matches) == "mine"
    assert providers.at(not_matched) != "mine"


def test_overrides_win_over_all_else_and_the_longest_over_the_others() -> None:
    providers = Providers(
        {"api.openai.com": "proxy", "gate.example": "openai", "gate.example/groq": "groq"}
    )
    assert providers.at("https://api.openai.com/v1/", "azure.ai.openai") == "proxy"
    assert providers.at("https://gate.example/v1/") == "openai"
    assert providers.at("https://gate.example/groq/v1/") == "groq"


@pytest.mark.parametrize("address", ["", "/v1", "http://", "http://host:port", "http://[::1"])
def test_an_override_without_an_address_is_an_error(address: str) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        Providers({address: "openai"})


def test_overrides_come_from_the_environment_and_mistakes_in_it_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "COSTMETER_PROVIDERS",
        "http://127.0.0.1:8001=openai, gate.example/x?a=b=groq,, nonsense, =x, y=",
    )
    overrides, problems = overrides_from_environment()
    assert overrides == {"http://127.0.0.1:8001": "openai", "gate.example/x?a=b": "groq"}
    assert problems == [
        f"COSTMETER_PROVIDERS: {part!r} is not address=provider"
        for part in ("nonsense", "=x", "y=")
    ]


def test_the_url_object_of_a_client_is_looked_at_once() -> None:
    looked = []

    class Url:
        def __str__(self) -> str:
            looked.append(self)
            return "https://api.groq.com/openai/v1/"

    providers, url = Providers(), Url()

    assert [providers.of(url), providers.of(url), providers.of(url, "mine")] == [
        "groq",
        "groq",
        "mine",
    ]
    assert looked == [url, url]


def test_another_url_object_is_another_address() -> None:
    providers = Providers()

    for number in range(1200):  # more than are remembered
        host = f"host-{number}"
        assert providers.of(f"https://{host}") == host


def test_a_provider_s_name_has_the_length_that_an_event_allows() -> None:
    assert Providers({"llm.internal": "x" * 200}).at("http://llm.internal") == "x" * 128
