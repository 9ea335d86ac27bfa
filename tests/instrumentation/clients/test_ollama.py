"""Ollama's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import httpx
import ollama as sdk
import pytest

import costmeter
from costmeter.instrumentation.clients import Settings, ollama
from costmeter.instrumentation.clients.method import Method
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.ollama import create_app

ASKED: dict[str, Any] = {
    "model": "llama3.2:latest",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
USED = {"input_tokens": 26, "output_tokens": 18}
CLASSES = (sdk.Client, sdk.AsyncClient)


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


def test_a_chat_is_recorded_with_usage_model_and_duration(
    clients: Clients, recorded: Recorded
) -> None:
    answer = clients.sync().chat(**ASKED)
    (event,) = recorded()
    assert answer.message.content == "Nothing."
    assert (event.operation, event.provider, event.model) == ("chat", "ollama", "llama3.2")
    assert (event.usage, event.status, event.service_tier) == (USED, "ok", "")
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 1, None)
    assert 0 < event.duration_ns < 60 * 10**9


@pytest.mark.parametrize("stream", [False, True])
async def test_sync_and_async_streams_and_answers_at_once_are_recorded_the_same(
    clients: Clients, recorded: Recorded, stream: bool
) -> None:
    ask(clients.sync(), stream=stream)
    await ask_async(clients.asynchronous(), stream=stream)
    events = recorded()
    assert [(event.operation, event.model) for event in events] == [("chat", "llama3.2")] * 2
    assert [(event.usage, event.status) for event in events] == [(USED, "ok")] * 2
    assert [0 < event.first_chunk_ns <= event.duration_ns for event in events] == [stream] * 2


async def test_completions_and_embeddings_are_recorded(
    clients: Clients, recorded: Recorded
) -> None:
    client = clients.sync()
    client.generate("llama3.2", "What does it cost?")
    parts = client.generate("llama3.2", "What does it cost?", stream=True)
    assert "".join(part.response for part in parts) == "Nothing."
    client.embed("nomic-embed-text", ["one", "two"])
    client.embeddings("nomic-embed-text", "one")
    questions: Any = {"dear": {"type": "noul", "instructions": "Is it dear?"}}
    client.systemone("llama3.2", "It costs nothing.", questions)
    async with clients.asynchronous() as asynchronous:
        await asynchronous.embed("nomic-embed-text", "one")
    assert [(event.operation, event.model, event.usage) for event in recorded()] == [
        ("text_completion", "llama3.2", USED),
        ("text_completion", "llama3.2", USED),
        ("embeddings", "nomic-embed-text", {"input_tokens": 8}),
        ("embeddings", "nomic-embed-text", {}),
        ("chat", "llama3.2", {"input_tokens": 40, "output_tokens": 2}),
        ("embeddings", "nomic-embed-text", {"input_tokens": 8}),
    ]


async def test_other_calls_are_not_recorded(clients: Clients, recorded: Recorded) -> None:
    assert clients.sync().list().models == []
    async with clients.asynchronous() as client:
        assert (await client.list()).models == []
    assert recorded() == []


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


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("400", sdk.ResponseError, "bad_request"),
        ("401", sdk.ResponseError, "authentication"),
        ("404", sdk.ResponseError, "not_found"),
        ("429", sdk.ResponseError, "rate_limited"),
        ("500", sdk.ResponseError, "server_error"),
        ("hang", httpx.TimeoutException, "timeout"),
        ("text", ValueError, "error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    clients: Clients,
    recorded: Recorded,
    fault: str,
    error: type[Exception],
    status: str,
    stream: bool,
) -> None:
    with pytest.raises(error):
        ask(clients.sync(fault=fault), stream=stream)
    with pytest.raises(error):
        await ask_async(clients.asynchronous(fault=fault), stream=stream)
    events = recorded()
    assert [(event.status, event.usage) for event in events] == [(status, {})] * 2
    assert {event.model for event in events} == {"llama3.2:latest"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_is_not_there_is_a_connection_error(
    metered: None, recorded: Recorded, stream: bool
) -> None:
    with (
        sdk.Client("http://127.0.0.1:1") as client,
        pytest.raises((ConnectionError, httpx.ConnectError)),
    ):
        ask(client, stream=stream)
    with pytest.raises((ConnectionError, httpx.ConnectError)):
        await ask_async(sdk.AsyncClient("http://127.0.0.1:1"), stream=stream)
    assert [event.status for event in recorded()] == ["connection_error"] * 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")],
)
async def test_a_stream_that_breaks_off_is_counted_by_its_model_without_tokens(
    clients: Clients, recorded: Recorded, fault: str, status: str
) -> None:
    expected: AbstractContextManager[Any] = nullcontext()
    if fault != "truncate":
        expected = pytest.raises(httpx.TransportError)
    with expected:
        ask(clients.sync(fault=fault), stream=True)
    with expected:
        await ask_async(clients.asynchronous(fault=fault), stream=True)
    assert [(event.status, event.model, event.usage) for event in recorded()] == [
        (status, "llama3.2", {})
    ] * 2


async def test_an_error_told_in_a_stream_is_the_servers(
    clients: Clients, recorded: Recorded
) -> None:
    with pytest.raises(sdk.ResponseError):
        ask(clients.sync(body="chat_stream_failed.ndjson"), stream=True)
    with pytest.raises(sdk.ResponseError):
        await ask_async(clients.asynchronous(body="chat_stream_failed.ndjson"), stream=True)
    assert [event.status for event in recorded()] == ["server_error"] * 2


async def test_a_stream_that_the_caller_leaves_is_cancelled(
    clients: Clients, recorded: Recorded
) -> None:
    for part in clients.sync().chat(**ASKED, stream=True):
        assert part.message.content == "No"
        break
    async with clients.asynchronous() as client:
        stream: Any = await client.chat(**ASKED, stream=True)
        assert (await anext(stream)).message.content == "No"
        await stream.aclose()
    assert [(event.status, event.usage) for event in recorded()] == [("cancelled", {})] * 2


async def test_a_stream_that_the_caller_forgets_is_cancelled(
    clients: Clients, recorded: Recorded
) -> None:
    async with clients.asynchronous() as client:
        async for part in await client.chat(**ASKED, stream=True):
            assert part.message.content == "No"
            break
        while not (events := recorded()):
            await asyncio.sleep(0)
    assert [event.status for event in events] == ["cancelled"]


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


def test_signatures_and_kinds_stay_and_the_very_methods_come_back() -> None:
    originals = [vars(kind)["_request"] for kind in CLASSES]
    costmeter.instrument("ollama")
    for kind, original in zip(CLASSES, originals, strict=True):
        replaced = vars(kind)["_request"]
        assert replaced is not original
        assert inspect.signature(replaced) == inspect.signature(original)
        assert inspect.iscoroutinefunction(replaced) == inspect.iscoroutinefunction(original)
        assert replaced.__qualname__ == original.__qualname__
    costmeter.uninstrument()
    assert [vars(kind)["_request"] for kind in CLASSES] == originals


def test_answers_are_the_sdks_own_and_can_be_pickled(clients: Clients) -> None:
    answer = clients.sync().chat(**ASKED)
    assert type(answer) is sdk.ChatResponse
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert inspect.isgenerator(clients.sync().chat(**ASKED, stream=True))


async def test_where_another_library_has_wrapped_us_calls_pass_on_unmetered(
    clients: Clients, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in CLASSES:
        ours: Any = vars(kind)["_request"]
        monkeypatch.setattr(kind, "_request", lambda *a, _ours=ours, **k: _ours(*a, **k))
    costmeter.uninstrument()
    ask(clients.sync(), stream=False)
    ask(clients.sync(), stream=True)
    await ask_async(clients.asynchronous(), stream=False)
    await ask_async(clients.asynchronous(), stream=True)
    assert recorded() == []


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


def test_the_sdk_is_metered_when_it_is_imported_later_and_not_imported_for_us() -> None:
    program = textwrap.dedent("""
        import sys, costmeter
        costmeter.instrument()
        assert "ollama" not in sys.modules
        import ollama
        assert "costmeter" in ollama.Client._request.__code__.co_filename
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
