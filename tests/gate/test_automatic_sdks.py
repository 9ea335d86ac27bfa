"""Every metered SDK asks the gate, before its request leaves: sync, async and streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import cohere
import groq
import ollama
import pytest
from google import genai
from mistralai.client import Mistral

import costmeter
from costmeter import BudgetExceededError
from tests.examples.serving import serving
from tests.gate.stack import HARD, Stack
from tests.instrumentation.clients.bedrock.asking import body_of, client_of
from tests.standins import cohere as cohere_standin
from tests.standins import google_genai as google_standin
from tests.standins import groq as groq_standin
from tests.standins import mistral as mistral_standin
from tests.standins import ollama as ollama_standin
from tests.standins.answering import RESPONSES
from tests.standins.bedrock import converse_frames, serving_bedrock
from tests.waiting import until

PROMPT = "x" * 300
MESSAGES: Any = [{"role": "user", "content": PROMPT}]
CLOUD_PRICES = [
    {"provider": "ollama.com", "model": model, "usd_per_million": {"input": usd, "output": usd}}
    for model, usd in (("gpt-oss:120b-cloud", 2), ("gpt-oss:20b-cloud", 1), ("llama3.2", 1))
]


class Seen:
    """An application that remembers what it was asked, path and body."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.requests: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append(scope["path"])

        async def heard() -> Any:
            message = await receive()
            self.requests[-1] += message.get("body", b"").decode()
            return message

        await self.app(scope, heard, send)


async def ask_groq(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    asked: Any = {"model": model, "messages": MESSAGES, "max_tokens": 1000, "stream": stream}
    given: Any = {"api_key": "k", "base_url": url, "max_retries": 0}
    if awaited:
        async with groq.AsyncGroq(**given) as async_client:
            await read(await async_client.chat.completions.create(**asked))
    else:
        with groq.Groq(**given) as client:
            await read(client.chat.completions.create(**asked))


async def ask_mistral(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    asked: Any = {"model": model, "messages": MESSAGES, "max_tokens": 1000}
    if awaited:
        async with Mistral(api_key="k", server_url=url) as client:
            create = client.chat.stream_async if stream else client.chat.complete_async
            await read(await create(**asked))
    else:
        with Mistral(api_key="k", server_url=url) as client:
            await read((client.chat.stream if stream else client.chat.complete)(**asked))


async def ask_cohere(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    asked: Any = {"model": model, "messages": MESSAGES, "max_tokens": 1000}
    given: Any = {"api_key": "k", "base_url": url, "max_retries": 0}
    if awaited:
        async with cohere.AsyncClientV2(**given) as async_client:
            if stream:
                await read(async_client.chat_stream(**asked))
            else:
                await async_client.chat(**asked)
    else:
        with cohere.ClientV2(**given) as client:
            await read((client.chat_stream if stream else client.chat)(**asked))


async def ask_google(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    config = {"max_output_tokens": 1000}
    asked: Any = {"model": model, "contents": PROMPT, "config": config}
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        of: Any = client.aio.models if awaited else client.models
        done = (of.generate_content_stream if stream else of.generate_content)(**asked)
        try:
            await read(await done if awaited else done)
        finally:
            if awaited:
                await client.aio.aclose()


async def ask_ollama(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    asked: Any = {"model": model, "messages": MESSAGES, "options": {"num_predict": 1000}}
    if awaited:
        async with ollama.AsyncClient(url) as async_client:
            await read(await async_client.chat(**asked, stream=stream))
    else:
        client = ollama.Client(url)
        try:
            await read(client.chat(**asked, stream=stream))
        finally:
            client.close()


async def ask_bedrock(url: str, model: str, *, stream: bool, awaited: bool) -> None:
    asked: Any = {
        "modelId": model,
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "inferenceConfig": {"maxTokens": 1000},
    }
    client = client_of(url)
    try:
        await read(
            client.converse_stream(**asked)["stream"] if stream else client.converse(**asked)
        )
    finally:
        client.close()


async def read(answer: Any) -> None:
    """Read a stream to its end; other answers are whole."""
    if isinstance(answer, AsyncIterator):
        async for _ in answer:
            pass
    elif hasattr(answer, "__next__") or type(answer).__name__ == "EventStream":
        for _ in answer:
            pass


class Sdk(NamedTuple):
    """An SDK, the provider that it asks here, how, for which model, and a cheaper one."""

    name: str
    provider: str
    standin: Callable[[], Any] | None
    ask: Callable[..., Any]
    model: str
    cheaper: str


SDKS = {
    each.name: each
    for each in (
        Sdk("groq", "groq", groq_standin.create_app, ask_groq, "openai/gpt-oss-120b", "openai/gpt-oss-20b"),
        Sdk("mistralai", "mistral_ai", mistral_standin.create_app, ask_mistral, "mistral-medium-latest", "mistral-7b"),
        Sdk("cohere", "cohere", cohere_standin.create_app, ask_cohere, "command-a-03-2025", "command-r7b"),
        Sdk("google.genai", "gcp.gemini", google_standin.create_app, ask_google, "gemini-2.5-pro", "gemini-2.5-flash"),
        Sdk("ollama", "ollama.com", ollama_standin.create_app, ask_ollama, "gpt-oss:120b-cloud", "gpt-oss:20b-cloud"),
        Sdk("boto3", "aws.bedrock", None, ask_bedrock,
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
    )
}  # fmt: skip


class Client:
    """An instrumented SDK, and what its provider has seen of it."""

    def __init__(self, sdk: Sdk, url: str, seen: Callable[[], list[str]], way: set[str]) -> None:
        self.sdk = sdk
        self.seen = seen
        self._url = url
        self._way = {"stream": "stream" in way, "awaited": "awaited" in way}

    async def ask(self) -> None:
        with costmeter.attribute(team="search"):
            await self.sdk.ask(self._url, self.sdk.model, **self._way)


@pytest.fixture(params=["", "stream", "awaited", "awaited stream"])
def way(request: Any) -> set[str]:
    return set(request.param.split())


@pytest.fixture(params=SDKS.values(), ids=SDKS)
def client(request: Any, way: set[str]) -> Iterator[Client]:
    sdk: Sdk = request.param
    if sdk.standin is None:
        if "awaited" in way:
            pytest.skip("botocore has no coroutines")
        with serving_bedrock() as bedrock:
            frames = converse_frames(body_of("converse_stream.jsonl"))
            bedrock.answer(body_of("converse.json"), frames=frames if "stream" in way else None)
            costmeter.instrument(sdk.name, providers={bedrock.url: sdk.provider}, gate=True)
            yield Client(
                sdk, bedrock.url, lambda: [path.replace("%3A", ":") for path in bedrock.paths], way
            )
    else:
        seen = Seen(sdk.standin())
        with serving(seen) as url:
            costmeter.instrument(sdk.name, providers={url: sdk.provider}, gate=True)
            yield Client(sdk, url, lambda: seen.requests, way)
    costmeter.uninstrument()


async def test_a_call_passes_while_there_is_room_and_settles_and_is_refused_before_it_leaves(
    stack: Stack, client: Client
) -> None:
    stack.settings["prices"] = {"refresh": "off", "models": CLOUD_PRICES}
    stack.start()
    asked = stack.listen()
    await client.ask()
    ((question, answer, reserved),) = asked
    assert (question.provider, question.model) == (client.sdk.provider, client.sdk.model)
    assert question.usage["output_tokens"] == 1000
    # 300 bytes, three a token, and what is around them
    assert 100 <= question.usage["input_tokens"] <= 160
    assert (answer.outcome, reserved > 0) == ("allowed", True)
    until(stack.spent)
    until(lambda: stack.reserved() == 0)
    stack.spend("10")
    with pytest.raises(BudgetExceededError) as raised:
        await client.ask()
    assert raised.value.budget == "search"
    assert len(client.seen()) == 1
    assert stack.reserved() == 0


async def test_a_call_goes_to_the_cheaper_model(stack: Stack, client: Client) -> None:
    stack.settings["prices"] = {"refresh": "off", "models": CLOUD_PRICES}
    models = {client.sdk.model: client.sdk.cheaper}
    stack.settings["budgets"] = [{**HARD, "degrade": {"models": models}}]
    stack.start()
    await client.ask()
    stack.spend("7")  # over 80 % of the soft limit
    await client.ask()
    before, after = client.seen()
    assert client.sdk.model in before
    assert client.sdk.cheaper in after
    assert client.sdk.model not in after


def invoke(url: str) -> None:
    client = client_of(url)
    body = json.dumps({"prompt": PROMPT, "max_gen_len": 1000})
    client.invoke_model(modelId="meta.llama3-3-70b-instruct-v1:0", body=body)["body"].read()
    client.close()


def embed(url: str) -> None:
    with cohere.ClientV2(api_key="k", base_url=url) as client:
        client.embed(model="embed-v4.0", texts=[PROMPT], input_type="classification")


@pytest.mark.parametrize(
    ("sdk", "provider", "ask", "used"),
    [
        ("boto3", "aws.bedrock", invoke, {"output_tokens": 1000}),
        ("cohere", "cohere", embed, {"output_tokens": 0}),
    ],
)
def test_what_no_other_model_can_be_asked_for_is_asked_as_it_is(
    stack: Stack, sdk: str, provider: str, ask: Callable[[str], None], used: dict[str, int]
) -> None:
    stack.settings["budgets"] = [{**HARD, "degrade": {"models": {"*": "command-r7b"}}}]
    stack.start()
    stack.spend("7")
    asked = stack.listen()
    with serving_bedrock() as server:
        server.answer((RESPONSES / "cohere/v2_embed.json").read_bytes())
        costmeter.instrument(sdk, providers={server.url: provider}, gate=True)
        with costmeter.attribute(team="search"):
            ask(server.url)
        costmeter.uninstrument()
    ((question, answer, _),) = asked
    assert question.usage.items() >= used.items()
    assert answer.model == question.model
    assert len(server.paths) == 1
