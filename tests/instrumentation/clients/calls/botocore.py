"""Calls of Amazon Bedrock by boto3."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    CONVERSED,
    INVOKED,
    MESSAGES,
    MODEL,
    STREAMED,
    body_of,
    client_of,
)
from tests.instrumentation.clients.calls.making import standing_in
from tests.instrumentation.clients.calls.sdk import (
    BILLED,
    FREE,
    Call,
    Client,
    Sdk,
    Seen,
    Standin,
    Way,
)
from tests.standins.bedrock import EVENT_STREAM, chunk_frames, converse_frames

CONVERSE = {"modelId": MODEL, "messages": MESSAGES}
INVOKE = {"modelId": MODEL, "body": CHAT}
EMBED = {"modelId": "amazon.titan-embed-text-v2:0", "body": '{"inputText": "one"}'}


def reading(name: str, key: str) -> Callable[[Any], Callable[..., Any]]:
    """Return what finds a method whose answer is under a key, and returns that."""

    def found(client: Any) -> Callable[..., Any]:
        return lambda **asked: getattr(client, name)(**asked)[key]

    return found


def read_whole(client: Any) -> Callable[..., Any]:
    """Return ``invoke_model``, with its body read."""
    return lambda **asked: client.invoke_model(**asked)["body"].read()


METERED = [
    Call("converse", CONVERSE, [Seen("chat", MODEL, CONVERSED)]),
    Call(
        "converse_stream", CONVERSE, [Seen("chat", MODEL, STREAMED)], (Way.STREAM,),
        find=reading("converse_stream", "stream"),
    ),
    Call("invoke_model", INVOKE, [Seen("chat", MODEL, INVOKED)], find=read_whole),
    Call(
        "invoke_model_with_response_stream", INVOKE, [Seen("chat", MODEL, INVOKED)], (Way.STREAM,),
        find=reading("invoke_model_with_response_stream", "body"),
    ),
]  # fmt: skip
UNMETERED = {
    FREE: [
        Call("count_tokens", {"modelId": MODEL, "input": {"converse": {"messages": MESSAGES}}}),
        Call("list_async_invokes"),
    ],
    BILLED: [
        Call(
            "apply_guardrail",
            {
                "guardrailIdentifier": "g",
                "guardrailVersion": "1",
                "source": "INPUT",
                "content": [{"text": {"text": "one"}}],
            },
        ),
        Call(
            "start_async_invoke",
            {
                "modelId": "amazon.nova-reel-v1:0",
                "modelInput": {},
                "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://videos"}},
            },
        ),
    ],
}


async def answer(request: Request) -> Response:
    """Answer by the last part of the path."""
    match request.url.path.rpartition("/")[2]:
        case "converse":
            return Response(body_of("converse.json"), media_type="application/json")
        case "invoke":
            return Response(body_of("claude.json"), media_type="application/json")
        case "converse-stream":
            frames = converse_frames(body_of("converse_stream.jsonl"))
        case "invoke-with-response-stream":
            frames = chunk_frames(body_of("claude_stream.jsonl"))
        case _:
            return JSONResponse({})
    return Response(b"".join(frames), media_type=EVENT_STREAM)


def serving_aws() -> AbstractContextManager[Standin]:
    """Serve a stand-in that frames its streams as AWS does."""
    return standing_in(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])]))


SDK = Sdk(
    "boto3",
    ("botocore",),
    [
        Client(
            '`client("bedrock-runtime")`', "aws.bedrock", serving_aws,
            lambda url: closing(client_of(url)), None, METERED, UNMETERED, told=False,
        )
    ],
)  # fmt: skip
