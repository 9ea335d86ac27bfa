"""Calls of Anthropic's SDK."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import anthropic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import (
    FREE,
    Call,
    Client,
    Sdk,
    Seen,
    Standin,
    Way,
)
from tests.instrumentation.clients.calls.stainless import ALL, method
from tests.standins import anthropic as standin
from tests.standins import batches

HAIKU = "claude-haiku-4-5-20251001"
PROFILE = f"global.anthropic.{HAIKU}-v1:0"
MESSAGES = [{"role": "user", "content": "What does it cost?"}]
BATCH = "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"
ANSWERED = {"input_tokens": 2095, "output_tokens": 503}
STREAMED = {
    "input_tokens": 2381,  # 25 as they come, 1800 read from the cache, 556 written to it
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,
    "cache_write_1h_tokens": 100,
    "output_tokens": 15,
}
RESULTS = [
    Seen("chat", HAIKU, STREAMED),
    Seen("chat", HAIKU, ANSWERED),
    Seen("chat", "", {}, "bad_request"),
]


def messages(asked: str = "claude-haiku-4-5", answering: str = HAIKU) -> list[Call]:
    """Return the calls of messages, by the model asked for and the one that counts."""
    said = {"model": asked, "max_tokens": 1024, "messages": MESSAGES}
    whole, streamed = [Seen("chat", answering, ANSWERED)], [Seen("chat", answering, STREAMED)]
    return [
        Call("messages.create", said, whole, ALL, streamed),
        Call("messages.stream", said, streamed, (Way.STREAM,)),
        Call("beta.messages.create", said, whole, ALL, streamed),
    ]


def in_thread(name: str) -> Callable[[Any], Callable[..., Any]]:
    """Return what finds a method of a new thread that begins with some messages."""
    return lambda client: lambda **asked: getattr(client.beta.messages.thread(**asked), name)()


def run_tools(client: Any) -> Callable[..., Any]:
    """Return what runs a tool runner to its end."""
    return lambda **asked: client.beta.messages.tool_runner(**asked, tools=[]).until_done()


SAID: dict[str, Any] = dict(messages()[0].asked)
WHOLE = [Seen("chat", HAIKU, ANSWERED)]
WORKED = [  # no model: the session is not known here
    Seen(
        "chat",
        "",
        {
            "input_tokens": 2381,
            "cache_read_tokens": 1800,
            "cache_write_tokens": 556,
            "output_tokens": 15,
        },
    ),
    Seen("chat", "", {}, "server_error"),
    Seen("chat", "", {"input_tokens": 300, "output_tokens": 20}),
]
DREAMT = [
    Seen(
        "chat",
        "claude-opus-4-6",
        {"input_tokens": 1500, "cache_read_tokens": 500, "output_tokens": 70},
    )
]
OTHERS = [
    Call("messages.parse", SAID, WHOLE),
    Call("beta.messages.parse", SAID, WHOLE),
    Call("beta.messages.stream", SAID, [Seen("chat", HAIKU, STREAMED)], (Way.STREAM,)),
    Call("beta.messages.tool_runner", SAID, WHOLE, find=run_tools),
    Call("beta.messages.thread(…).send", SAID, WHOLE, find=in_thread("send")),
    Call(
        "beta.messages.thread(…).stream",
        SAID,
        [Seen("chat", HAIKU, STREAMED)],
        (Way.STREAM,),
        find=in_thread("stream"),
    ),
    Call("messages.batches.results", {"message_batch_id": BATCH}, RESULTS, (Way.STREAM,)),
    Call("beta.messages.batches.results", {"message_batch_id": BATCH}, RESULTS, (Way.STREAM,)),
    Call("beta.sessions.events.stream", {"session_id": "sesn_1"}, WORKED, (Way.STREAM,)),
    Call("beta.sessions.events.list", {"session_id": "sesn_1"}, WORKED),
    Call(
        "beta.sessions.threads.events.stream",
        {"session_id": "sesn_1", "thread_id": "sthr_1"},
        WORKED,
        (Way.STREAM,),
    ),
    Call("beta.dreams.retrieve", {"dream_id": "completed"}, DREAMT, (Way.AT_ONCE, Way.RAW)),
]
BEGINS = "These cost nothing by themselves, but begin what is metered where it is told"
UNMETERED = {
    FREE: [
        Call("messages.count_tokens", {"model": "claude-haiku-4-5", "messages": MESSAGES}),
        Call("messages.batches.create", {"requests": []}),
        Call("messages.batches.retrieve", {"message_batch_id": BATCH}),
        Call("models.list"),
        Call("files.upload", {"file": ("a.txt", b"one")}),
    ],
    BEGINS: [
        Call("beta.sessions.create", {"agent": "agent_1", "environment_id": "env_1"}),
        Call("beta.sessions.events.send", {"session_id": "sesn_2", "events": []}),
        Call("beta.dreams.create", {"inputs": [], "model": "claude-haiku-4-5"}),
    ],
}
CLIENT: dict[str, Any] = {"max_retries": 0, "timeout": 5}
AWS = CLIENT | {"aws_access_key": "key", "aws_secret_key": "secret", "aws_region": "eu-central-1"}
GOOGLE = CLIENT | {
    "project": "project",
    "location": "europe-west1",
    "workspace_id": "work",
    "skip_auth": True,
}
VERTEX = CLIENT | {"access_token": "token", "project_id": "project", "region": "europe-west1"}


async def whatever(request: Request) -> Response:
    """Answer nothing."""
    return JSONResponse({})


def serving_claude() -> AbstractContextManager[Standin]:
    """Serve the stand-ins for messages and for batches at one address."""
    routes = [*standin.create_app().routes, *batches.create_app().routes]
    return standing_in(
        Starlette(routes=[*routes, Route("/{path:path}", whatever, methods=["GET", "POST"])])
    )


def opening(kind: Any, path: str = "", **options: Any) -> Callable[[str], Any]:
    """Return what opens a client."""
    return lambda url: kind(base_url=url + path, **options)


def elsewhere(
    name: str, provider: str, calls: list[Call], path: str = "", **options: Any
) -> Client:
    """Return the clients of another cloud."""
    kinds = (getattr(anthropic, name), getattr(anthropic, f"Async{name}"))
    opened, opened_async = (opening(kind, path, **options) for kind in kinds)
    return Client(
        f"`{name}`, `Async{name}`", provider, serving_claude, opened, opened_async, calls,
        method=method, told=False,
    )  # fmt: skip


SDK = Sdk(
    "anthropic",
    ("anthropic",),
    [
        Client(
            "`Anthropic`, `AsyncAnthropic`", "anthropic", serving_claude,
            opening(anthropic.Anthropic, api_key="key", **CLIENT),
            opening(anthropic.AsyncAnthropic, api_key="key", **CLIENT),
            [*messages(), *OTHERS], UNMETERED, method,
        ),
        elsewhere("AnthropicBedrock", "aws.bedrock", messages(PROFILE, PROFILE), **AWS),
        elsewhere(
            "AnthropicBedrockMantle", "aws.bedrock", messages(PROFILE, PROFILE)[:2], "/anthropic", **AWS
        ),
        elsewhere("AnthropicAWS", "anthropic", messages(), workspace_id="work", **AWS),
        elsewhere("AnthropicGoogleCloud", "anthropic", messages(), **GOOGLE),
        elsewhere("AnthropicVertex", "gcp.vertex_ai", messages(), **VERTEX),
        elsewhere(
            "AnthropicFoundry", "azure.ai.inference", messages(), "/anthropic", api_key="key", **CLIENT
        ),
    ],
)  # fmt: skip
