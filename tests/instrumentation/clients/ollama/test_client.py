"""Ollama's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import ollama as sdk
import pytest

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.ollama import client as ollama
from costmeter.instrumentation.context import Inside, attribution
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.ollama import create_app

ASKED: dict[str, Any] = {
    "model": "llama3.2:latest",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
USED = {"input_tokens": 26, "output_tokens": 18}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def metered(recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("ollama", providers={})
    yield
    costmeter.uninstrument()


class Clients:
    """Clients of the stand-in, sync and async, that do not wait for long."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._clients: list[sdk.Client] = []

    def sync(self, **asking: str) -> sdk.Client:
        """Return a client that asks for a fault or a body in each of its requests."""
        client = sdk.Client(self._server, timeout=0.5, headers=_headers(asking))
        self._clients.append(client)
        return client

    def asynchronous(self, **asking: str) -> sdk.AsyncClient:
        """Return the same for asyncio; the test closes it."""
        return sdk.AsyncClient(self._server, timeout=0.5, headers=_headers(asking))

    def close(self) -> None:
        """Close the sync clients."""
        for client in self._clients:
            client.close()


def _headers(asking: dict[str, str]) -> dict[str, str]:
    return {f"x-standin-{name}": value for name, value in asking.items()}


@pytest.fixture
def clients(server: str, metered: None) -> Iterator[Clients]:
    clients = Clients(server)
    yield clients
    clients.close()


def ask(client: sdk.Client, *, stream: bool) -> None:
    """Ask and read the whole answer."""
    answer = client.chat(**ASKED, stream=stream)
    if stream:
        list(answer)


async def ask_async(client: sdk.AsyncClient, *, stream: bool) -> None:
    """Ask and read the whole answer."""
    async with client:
        answer: Any = await client.chat(**ASKED, stream=stream)
        if stream:
            async for _ in answer:
                pass


def test_the_functions_of_the_module_are_metered_too(
    clients: Clients, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    default: Any = sdk.chat
    monkeypatch.setattr(default.__self__, "_client", clients.sync()._client)
    sdk.chat(**ASKED)
    assert [event.usage for event in recorded()] == [USED]


def test_an_address_can_be_given_another_provider(
    clients: Clients, recorded: Recorded, server: str
) -> None:
    costmeter.instrument("ollama", providers={server: "gpu-box"})
    ask(clients.sync(), stream=False)
    assert [event.provider for event in recorded()] == ["gpu-box"]


@pytest.mark.parametrize(
    ("host", "model", "provider"),
    [
        ("https://ollama.com", "gpt-oss:120b", "ollama.com"),
        ("http://localhost:11434", "gpt-oss:120b-cloud", "ollama.com"),
        ("http://localhost:11434", "minimax-m2:cloud", "ollama.com"),
        ("http://localhost:11434", "gpt-oss:120b", "ollama"),
        ("https://gpu.internal", "gpt-oss:120b", "ollama"),
    ],
)
def test_what_ollama_runs_in_its_cloud_is_not_taken_for_free(
    recorded: Recorded, metered: None, host: str, model: str, provider: str
) -> None:
    answer = {"model": model, "message": {"role": "assistant"}, "eval_count": 1}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    with sdk.Client(host, transport=transport) as client:
        client.chat(model)
    assert [(event.provider, event.model) for event in recorded()] == [(provider, model)]


async def test_an_error_told_in_a_stream_is_the_servers(
    clients: Clients, recorded: Recorded
) -> None:
    with pytest.raises(sdk.ResponseError):
        ask(clients.sync(body="chat_stream_failed.ndjson"), stream=True)
    with pytest.raises(sdk.ResponseError):
        await ask_async(clients.asynchronous(body="chat_stream_failed.ndjson"), stream=True)
    assert [event.status for event in recorded()] == ["server_error"] * 2


async def test_a_cancelled_task_is_cancelled(clients: Clients, recorded: Recorded) -> None:
    async with clients.asynchronous(fault="hang") as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.chat(**ASKED), 0.1)
    assert [event.status for event in recorded()] == ["cancelled"]


async def test_a_stream_that_is_never_read_asks_for_nothing_and_counts_for_nothing(
    clients: Clients, recorded: Recorded
) -> None:
    clients.sync().chat(**ASKED, stream=True)
    async with clients.asynchronous() as client:
        await client.chat(**ASKED, stream=True)
    gc.collect()
    assert recorded() == []


async def test_a_stream_that_cannot_be_opened_is_counted(recorded: Recorded) -> None:
    async def opened(**_: object) -> None:
        raise TimeoutError

    call = Call("chat", "ollama", "gemma3")
    stream = ollama._watched_async(lambda: (call, {}), Inside(attribution.get()), opened)
    with pytest.raises(TimeoutError):
        await anext(stream)
    assert [event.status for event in recorded()] == ["timeout"]


async def test_a_stream_counts_for_whom_it_was_opened(clients: Clients, recorded: Recorded) -> None:
    async with clients.asynchronous() as client:
        with costmeter.attribute(feature="search"):
            opened = clients.sync().chat(**ASKED, stream=True)
            sent: Any = await client.chat(**ASKED, stream=True)
        with costmeter.attribute(feature="reader", team="readers"):
            list(opened)
            async for _ in sent:
                pass
    ask(clients.sync(), stream=False)
    assert [event.attributes for event in recorded()] == [{"feature": "search"}] * 2 + [{}]


def test_answers_are_the_sdks_own_and_can_be_pickled(clients: Clients) -> None:
    answer = clients.sync().chat(**ASKED)
    assert type(answer) is sdk.ChatResponse
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert inspect.isgenerator(clients.sync().chat(**ASKED, stream=True))


async def test_calls_go_on_where_we_cannot_tell_what_they_are(
    clients: Clients, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama, "Call", None)
    for stream in (False, True):
        ask(clients.sync(), stream=stream)
        await ask_async(clients.asynchronous(), stream=stream)
    with pytest.raises(sdk.ResponseError):
        ask(clients.sync(fault="500"), stream=False)
    assert recorded() == []


def as_it_was(self: object, method: str, url: str, **named: object) -> None:
    """Take what a client of 2024 took."""


@pytest.mark.parametrize(
    "changed",
    [{"Client": type("Client", (), {})}, {"AsyncClient": type("C", (), {"_request": as_it_was})}],
)
def test_an_sdk_that_is_made_differently_is_refused(changed: dict[str, type]) -> None:
    kinds = {"Client": sdk.Client, "AsyncClient": sdk.AsyncClient, **changed}
    module: Any = SimpleNamespace(ChatResponse=sdk.ChatResponse, **kinds)
    with pytest.raises(LookupError):
        ollama.meter(module, Settings())


def test_a_method_that_was_inherited_is_given_back_to_the_class_that_has_it() -> None:
    class Base:
        def ask(self) -> str:
            return "asked"

    class Derived(Base):
        pass

    original = Base.ask
    method = Method(Derived, "ask", replacement=lambda method: lambda self: "replaced")
    method.put()
    assert Derived().ask() == Base().ask() == "replaced"
    method.take()
    assert vars(Base)["ask"] is original
    assert "ask" not in vars(Derived)
