"""The real SDK against a stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import subprocess
import sys
import textwrap
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import _api_client, chats, errors, live, models, types

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.google_genai import client as google_genai
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.google_genai.asking import asking

ASKED = {"model": "gemini-flash-latest", "contents": "What does it cost?"}
ANSWERING = "gemini-2.5-flash"
USED = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
METHODS = [
    *(
        (_api_client.BaseApiClient, name)
        for name in ("request", "async_request", "request_streamed", "async_request_streamed")
    ),
    (models.Models, "generate_content_stream"),
    (models.AsyncModels, "generate_content_stream"),
    (chats.Chat, "send_message_stream"),
    (chats.AsyncChat, "send_message_stream"),
    (_api_client.BaseApiClient, "download_file"),
    (_api_client.BaseApiClient, "async_download_file"),
    (live.AsyncLive, "connect"),
]


def test_an_answer_is_recorded_with_usage_model_tier_and_duration(
    client: genai.Client, recorded: Recorded
) -> None:
    answer = client.models.generate_content(**ASKED, config=asking(tier="priority"))
    (event,) = recorded()
    assert answer.text == "One cent."
    assert (event.operation, event.provider) == ("generate_content", "gcp.gemini")
    assert (event.model, event.usage) == (ANSWERING, USED)
    assert (event.status, event.service_tier) == ("ok", "priority")
    assert (event.calls, event.requests, event.cost_nano_usd) == (1, 1, None)
    assert 0 < event.duration_ns < 60 * 10**9


async def test_an_async_answer_is_recorded_the_same(
    client: genai.Client, recorded: Recorded
) -> None:
    await client.aio.models.generate_content(**ASKED)
    (event,) = recorded()
    assert (event.operation, event.model, event.usage) == ("generate_content", ANSWERING, USED)
    await client.aio.aclose()


def test_a_stream_is_recorded_with_its_last_usage(client: genai.Client, recorded: Recorded) -> None:
    chunks = list(client.models.generate_content_stream(**ASKED))
    (event,) = recorded()
    assert [chunk.text for chunk in chunks] == ["One", " cent", "."]
    assert (event.operation, event.model, event.usage) == ("generate_content", ANSWERING, USED)
    assert event.status == "ok"
    assert 0 < event.first_chunk_ns <= event.duration_ns


async def test_an_async_stream_is_recorded_with_its_last_usage(
    client: genai.Client, recorded: Recorded
) -> None:
    stream = await client.aio.models.generate_content_stream(**ASKED)
    assert [chunk.text async for chunk in stream] == ["One", " cent", "."]
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == (ANSWERING, USED, "ok")
    assert 0 < event.first_chunk_ns <= event.duration_ns
    await client.aio.aclose()


def test_embeddings_are_recorded(client: genai.Client, recorded: Recorded) -> None:
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    (event,) = recorded()
    assert len(answer.embeddings or []) == 2
    assert (event.operation, event.model) == ("embeddings", "gemini-embedding-001")
    assert event.usage == {"input_tokens": 8}


def test_vertex_ai_is_a_provider_of_its_own(vertex: genai.Client, recorded: Recorded) -> None:
    vertex.models.generate_content(**ASKED)
    (event,) = recorded()
    assert (event.provider, event.model) == ("gcp.vertex_ai", ANSWERING)
    assert (event.usage, event.service_tier) == (USED, "priority")


def test_embeddings_of_vertex_ai_are_predictions(vertex: genai.Client, recorded: Recorded) -> None:
    answer = vertex.models.embed_content(model="text-embedding-005", contents=["one", "two"])
    (event,) = recorded()
    assert len(answer.embeddings or []) == 2
    assert (event.operation, event.model) == ("embeddings", "text-embedding-005")
    assert event.usage == {"input_tokens": 15}


def test_an_address_can_be_given_another_provider(
    client: genai.Client, recorded: Recorded, google: str
) -> None:
    costmeter.instrument("google.genai", providers={google: "gateway"})
    client.models.generate_content(**ASKED)
    costmeter.instrument("google.genai", providers={})
    client.models.generate_content(**ASKED)
    assert [event.provider for event in recorded()] == ["gateway", "gcp.gemini"]


def test_counting_tokens_and_listing_models_are_not_recorded(
    client: genai.Client, recorded: Recorded
) -> None:
    assert client.models.count_tokens(**ASKED).total_tokens == 3
    assert next(iter(client.models.list()))
    assert recorded() == []


def test_a_chat_records_each_of_its_messages(client: genai.Client, recorded: Recorded) -> None:
    chat = client.chats.create(model="gemini-flash-latest")
    chat.send_message("What does it cost?")
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("Really?")) == "One cent."
    assert [(event.model, event.usage) for event in recorded()] == [(ANSWERING, USED)] * 2


def test_each_request_of_automatic_function_calls_is_recorded(
    client: genai.Client, recorded: Recorded
) -> None:
    asked = []

    def price_of(model: str) -> str:
        """Return a price."""
        asked.append(model)
        return "one cent"

    config = asking(
        {"tools": [price_of], "automatic_function_calling": {"maximum_remote_calls": 3}},
        answer="generate_content_function_call.json",
    )
    client.models.generate_content(**ASKED, config=config)
    events = recorded()
    assert asked == ["gemini"] * 2
    assert [event.usage for event in events] == [{"input_tokens": 40, "output_tokens": 10}] * 3


def test_the_raw_response_can_still_be_had(client: genai.Client, recorded: Recorded) -> None:
    config = types.GenerateContentConfig(should_return_http_response=True)
    answer = client.models.generate_content(**ASKED, config=config)
    assert answer.sdk_http_response is not None
    assert "One cent." in (answer.sdk_http_response.body or "")
    assert [event.usage for event in recorded()] == [USED]


def ask(client: genai.Client, config: Any, *, stream: bool) -> None:
    """Ask and read the whole answer."""
    if stream:
        list(client.models.generate_content_stream(**ASKED, config=config))
    else:
        client.models.generate_content(**ASKED, config=config)


async def ask_async(client: genai.Client, config: Any, *, stream: bool) -> None:
    """Ask and read the whole answer."""
    if stream:
        async for _ in await client.aio.models.generate_content_stream(**ASKED, config=config):
            pass
    else:
        await client.aio.models.generate_content(**ASKED, config=config)


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("400", errors.ClientError, "bad_request"),
        ("401", errors.ClientError, "authentication"),
        ("403", errors.ClientError, "permission_denied"),
        ("404", errors.ClientError, "not_found"),
        ("429", errors.ClientError, "rate_limited"),
        ("500", errors.ServerError, "server_error"),
        ("503", errors.ServerError, "server_error"),
        ("504", errors.ServerError, "timeout"),
        ("hang", httpx2.TimeoutException, "timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    client: genai.Client,
    recorded: Recorded,
    fault: str,
    error: type[Exception],
    status: str,
    stream: bool,
) -> None:
    config = asking(fault=fault)
    with pytest.raises(error):
        ask(client, config, stream=stream)
    with pytest.raises(error):
        await ask_async(client, config, stream=stream)
    events = recorded()
    assert [(event.status, event.usage) for event in events] == [(status, {})] * 2
    assert {event.model for event in events} == {"gemini-flash-latest"}
    await client.aio.aclose()


def test_a_server_that_is_not_there_is_a_connection_error(
    client: genai.Client, recorded: Recorded
) -> None:
    options = types.HttpOptions(base_url="http://127.0.0.1:1")
    nowhere = genai.Client(api_key="key", http_options=options)
    with nowhere, pytest.raises(httpx2.ConnectError):
        nowhere.models.generate_content(**ASKED)
    assert [event.status for event in recorded()] == ["connection_error"]


async def test_attempts_that_failed_are_counted_and_are_no_calls(
    client: genai.Client, recorded: Recorded
) -> None:
    for name in ("sync", "async"):
        config = asking(fail=f"2 {name}")
        often = {"attempts": 3, "initial_delay": 0.0, "jitter": 0.0}
        config["http_options"]["retry_options"] = often
        if name == "sync":
            client.models.generate_content(**ASKED, config=config)
        else:
            await client.aio.models.generate_content(**ASKED, config=config)
        *attempts, event = recorded()
        assert [(each.status, each.calls, each.retries) for each in attempts] == [
            ("server_error", 0, 1)
        ] * 2
        assert {(each.provider, each.operation) for each in attempts} == {
            (event.provider, event.operation)
        }
        assert (event.status, event.usage, event.calls) == ("ok", USED, 1)
    await client.aio.aclose()


def test_a_client_told_how_to_try_again_has_the_attempts_of_its_streams_counted(
    client: genai.Client, google: str, recorded: Recorded
) -> None:
    often = types.HttpRetryOptions(attempts=2, initial_delay=0.0, jitter=0.0)
    options = types.HttpOptions(base_url=google, retry_options=often)
    with genai.Client(api_key="key", http_options=options) as patient:
        with pytest.raises(errors.ServerError), costmeter.attribute(team="search"):
            list(patient.models.generate_content_stream(**ASKED, config=asking(fault="503")))
        patient.models.count_tokens(**ASKED)
    assert [
        (event.status, event.calls, event.retries, event.model, event.attributes)
        for event in recorded()
    ] == [
        ("server_error", 0, 1, ASKED["model"], {"team": "search"}),
        ("server_error", 1, 0, ASKED["model"], {"team": "search"}),
    ]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")],
)
async def test_a_stream_that_breaks_off_counts_what_it_had_told(
    client: genai.Client, recorded: Recorded, fault: str, status: str
) -> None:
    config = asking(fault=fault)
    expected: AbstractContextManager[Any] = nullcontext()
    if fault != "truncate":
        expected = pytest.raises(httpx2.TransportError)
    with expected:
        ask(client, config, stream=True)
    with expected:
        await ask_async(client, config, stream=True)
    assert [(event.status, event.usage) for event in recorded()] == [
        (status, {**USED, "output_tokens": 21})
    ] * 2
    await client.aio.aclose()


def test_an_error_told_in_a_stream_is_counted_by_its_kind(
    client: genai.Client, recorded: Recorded
) -> None:
    with pytest.raises(errors.ServerError):
        list(client.models.generate_content_stream(**ASKED, config=asking(fault="error")))
    assert [event.status for event in recorded()] == ["server_error"]


def test_a_stream_that_the_caller_leaves_is_cancelled(
    client: genai.Client, recorded: Recorded
) -> None:
    for chunk in client.models.generate_content_stream(**ASKED):
        assert chunk.text == "One"
        break
    (event,) = recorded()
    assert (event.status, event.usage["output_tokens"]) == ("cancelled", 21)


async def test_an_async_stream_that_the_caller_leaves_is_cancelled(
    client: genai.Client, recorded: Recorded
) -> None:
    stream: Any = await client.aio.models.generate_content_stream(**ASKED)
    assert (await anext(stream)).text == "One"
    await stream.aclose()
    del stream
    while not (events := recorded()):
        await asyncio.sleep(0)
    assert [(event.status, event.usage["output_tokens"]) for event in events] == [("cancelled", 21)]
    await client.aio.aclose()


async def test_an_async_stream_that_the_caller_forgets_is_cancelled(
    client: genai.Client, recorded: Recorded
) -> None:
    async for chunk in await client.aio.models.generate_content_stream(**ASKED):
        assert chunk.text == "One"
        break
    while not (events := recorded()):
        await asyncio.sleep(0)
    assert [(event.status, event.usage["output_tokens"]) for event in events] == [("cancelled", 21)]
    await client.aio.aclose()


async def test_a_cancelled_task_is_cancelled(client: genai.Client, recorded: Recorded) -> None:
    asked = client.aio.models.generate_content(**ASKED, config=asking(fault="hang"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asked, 0.1)
    assert [event.status for event in recorded()] == ["cancelled"]
    await client.aio.aclose()


def test_a_stream_that_is_never_read_asks_for_nothing_and_counts_for_nothing(
    client: genai.Client, recorded: Recorded
) -> None:
    client.models.generate_content_stream(**ASKED)
    gc.collect()
    assert recorded() == []


def test_a_stream_counts_for_whom_it_was_opened(client: genai.Client, recorded: Recorded) -> None:
    chat = client.chats.create(model="gemini-flash-latest")
    with costmeter.attribute(feature="search"):
        streams = [
            client.models.generate_content_stream(**ASKED),
            chat.send_message_stream("Really?"),
        ]
    for stream in streams:
        with costmeter.attribute(feature="reader", team="readers"):
            list(stream)
    client.models.generate_content(**ASKED)
    assert [event.attributes for event in recorded()] == [{"feature": "search"}] * 2 + [{}]


async def test_an_async_stream_counts_for_whom_it_was_opened(
    client: genai.Client, recorded: Recorded
) -> None:
    chat = client.aio.chats.create(model="gemini-flash-latest")
    with costmeter.attribute(feature="search"):
        opened = await client.aio.models.generate_content_stream(**ASKED)
        sent = await chat.send_message_stream("Really?")
    async for _ in opened:
        pass
    async for _ in sent:
        pass
    assert [event.attributes for event in recorded()] == [{"feature": "search"}] * 2
    await client.aio.aclose()


def test_whom_a_block_is_for_is_unchanged_between_the_chunks_of_a_stream(
    client: genai.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="search"):
        stream = client.models.generate_content_stream(**ASKED)
    with costmeter.attribute(feature="reader"):
        next(stream)
        client.models.generate_content(**ASKED)
        list(stream)
    assert [event.attributes["feature"] for event in recorded()] == ["reader", "search"]


def test_signatures_and_kinds_stay_and_the_very_methods_come_back() -> None:
    originals = [vars(owner)[name] for owner, name in METHODS]
    costmeter.instrument("google.genai")
    for (owner, name), original in zip(METHODS, originals, strict=True):
        replaced = vars(owner)[name]
        assert replaced is not original
        assert inspect.signature(replaced) == inspect.signature(original)
        assert inspect.iscoroutinefunction(replaced) == inspect.iscoroutinefunction(original)
        assert (replaced.__qualname__, replaced.__doc__) == (
            original.__qualname__,
            original.__doc__,
        )
    costmeter.uninstrument()
    assert [vars(owner)[name] for owner, name in METHODS] == originals


def test_answers_are_the_sdks_own_and_can_be_pickled(client: genai.Client) -> None:
    answer = client.models.generate_content(**ASKED)
    assert type(answer) is types.GenerateContentResponse
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert inspect.isgenerator(client.models.generate_content_stream(**ASKED))


def test_where_another_library_has_wrapped_us_calls_pass_on_unmetered(
    client: genai.Client, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [vars(owner)[name] for owner, name in METHODS]
    for (owner, name), replaced in zip(METHODS, ours, strict=True):
        monkeypatch.setattr(owner, name, lambda *a, _ours=replaced, **k: _ours(*a, **k))
    costmeter.uninstrument()
    client.models.generate_content(**ASKED)
    assert len(list(client.models.generate_content_stream(**ASKED))) == 3
    assert recorded() == []


def test_calls_go_on_where_we_cannot_tell_what_they_are(
    client: genai.Client, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_genai, "call_of", None)
    assert client.models.generate_content(**ASKED).text == "One cent."
    assert len(list(client.models.generate_content_stream(**ASKED))) == 3
    assert recorded() == []


def changed(**replaced: Any) -> ModuleType:
    """Return the SDK with something else than it had."""
    module = ModuleType("google.genai")
    module.__dict__.update(_api_client=_api_client, models=models, chats=chats, live=live)
    module.__dict__.update(replaced)
    return module


@pytest.mark.parametrize(
    "module",
    [
        changed(chats=ModuleType("chats")),
        changed(_api_client=ModuleType("_api_client")),
        changed(_api_client=type("Sdk", (), {"BaseApiClient": type("BaseApiClient", (), {})})),
        changed(
            _api_client=type(
                "Sdk",
                (),
                {"BaseApiClient": type("BaseApiClient", (), {"request": lambda self, http: 1})},
            )
        ),
    ],
)
def test_an_sdk_that_is_made_differently_is_refused(module: ModuleType) -> None:
    with pytest.raises((LookupError, AttributeError)):
        google_genai.meter(module, Settings())


def test_the_sdk_is_metered_when_it_is_imported_later_and_not_imported_for_us() -> None:
    program = textwrap.dedent("""
        import sys, costmeter
        costmeter.instrument()
        assert not any(name.startswith("google.genai") for name in sys.modules)
        import google.genai
        from google.genai import _api_client
        assert "costmeter" in _api_client.BaseApiClient.request.__code__.co_filename
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
