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
    agents_of,
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
CONTENT = [{"text": {"text": "one"}}]
GUARDED = [
    Seen("guardrail", "guardrail", {}),
    Seen("guardrail", "guardrail-denied-topics", {"text_units": 2}, calls=0),
    Seen("guardrail", "guardrail-content-filters", {"text_units": 2, "images": 1}, calls=0),
    Seen("guardrail", "guardrail-sensitive-information", {"text_units": 2}, calls=0),
    Seen("guardrail", "guardrail-automated-reasoning", {"text_units": 1}, calls=0),
]
REEL = {
    "modelId": "amazon.nova-reel-v1:1",
    "modelInput": {"taskType": "TEXT_VIDEO", "textToVideoParams": {"text": "a cent"}},
    "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://films"}},
}


def filming(client: Any) -> Callable[..., Any]:
    """Return what asks for a film, and for its end."""

    def film(**asked: Any) -> Any:
        started = client.start_async_invoke(**asked)
        return client.get_async_invoke(invocationArn=started["invocationArn"])

    return film


METERED += [
    Call(
        "apply_guardrail",
        {
            "guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT",
            "content": CONTENT,
        },
        GUARDED,
    ),
    Call(
        "invoke_guardrail_checks",
        {
            "messages": [{"role": "user", "content": [{"text": "one"}]}],
            "checks": {"contentFilter": {"categories": [{"category": "VIOLENCE"}]}},
        },
        [
            Seen("guardrail", "guardrail", {}),
            Seen("guardrail", "guardrail-check-content-filter", {"text_units": 3}, calls=0),
            Seen("guardrail", "guardrail-check-prompt-attack", {"text_units": 2}, calls=0),
        ],
    ),
    Call(
        "start_async_invoke", REEL,
        [Seen("video_generation", "amazon.nova-reel-v1:1", {"output_video_seconds": 6})],
        find=filming,
    ),
]  # fmt: skip
UNMETERED = {
    FREE: [
        Call("count_tokens", {"modelId": MODEL, "input": {"converse": {"messages": MESSAGES}}}),
        Call("list_async_invokes"),
    ],
}
AGENT = {"agentId": "A1", "agentAliasId": "L1", "sessionId": "s-1", "inputText": "one"}
SOURCE = {
    "type": "INLINE",
    "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": "two"}},
}
RANKER = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0"
OF_AGENTS = [
    Call(
        "invoke_agent", {**AGENT, "enableTrace": True},
        [
            Seen("invoke_agent", "amazon.nova-micro-v1:0", {"input_tokens": 100, "output_tokens": 10}),
            Seen(
                "invoke_agent", "us.amazon.nova-pro-v1:0",
                {"input_tokens": 1500, "output_tokens": 100}, calls=0,
            ),
        ],
        (Way.STREAM,), find=reading("invoke_agent", "completion"),
    ),
    Call(
        "rerank",
        {
            "queries": [{"type": "TEXT", "textQuery": {"text": "one"}}],
            "sources": [SOURCE],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": RANKER}},
            },
        },
        [Seen("rerank", "cohere.rerank-v3-5:0", {"search_units": 1})],
    ),
]  # fmt: skip
UNMETERED_AGENTS = {
    BILLED: [
        Call("retrieve_and_generate", {"input": {"text": "one"}}),
        Call("retrieve", {"knowledgeBaseId": "ABCDEFGHIJ", "retrievalQuery": {"text": "one"}}),
        Call(
            "invoke_flow",
            {
                "flowIdentifier": "FLOW123456", "flowAliasIdentifier": "ALIAS12345",
                "inputs": [{
                    "content": {"document": "one"},
                    "nodeName": "start", "nodeOutputName": "document",
                }],
            },
            (), (Way.STREAM,), find=reading("invoke_flow", "responseStream"),
        ),
        Call(
            "optimize_prompt",
            {"input": {"textPrompt": {"text": "one"}}, "targetModelId": MODEL},
            (), (Way.STREAM,), find=reading("optimize_prompt", "optimizedPrompt"),
        ),
    ]
}  # fmt: skip


DOCUMENTS = {
    "/converse": "converse.json",
    "/guardrail-checks/invoke": "guardrail_checks.json",
    "/invoke": "claude.json",
    "/apply": "guardrail.json",
    "POST /async-invoke": "film_begun.json",
    "/9f3k2l1m8a7b": "film.json",
}
"""Files by the end of a request's method and path; the first that fits."""
STREAMS: dict[str, Callable[[], list[bytes]]] = {
    "/converse-stream": lambda: converse_frames(body_of("converse_stream.jsonl")),
    "/invoke-with-response-stream": lambda: chunk_frames(body_of("claude_stream.jsonl")),
    "/text": lambda: converse_frames(body_of("agent.jsonl")),
    "/ALIAS12345": list,
    "/optimize-prompt": list,
}


async def answer(request: Request) -> Response:
    """Answer by the method and the end of the path."""
    asked = f"{request.method} {request.url.path}"
    for ending, name in DOCUMENTS.items():
        if asked.endswith(ending):
            return Response(body_of(name), media_type="application/json")
    for ending, frames in STREAMS.items():
        if asked.endswith(ending):
            return Response(b"".join(frames()), media_type=EVENT_STREAM)
    return JSONResponse({})


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
        ),
        Client(
            '`client("bedrock-agent-runtime")`', "aws.bedrock", serving_aws,
            lambda url: closing(agents_of(url)), None, OF_AGENTS, UNMETERED_AGENTS, told=False,
        ),
    ],
)  # fmt: skip
