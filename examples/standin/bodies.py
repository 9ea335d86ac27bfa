"""OpenAI's wire format: response bodies, stream events and errors as the API sends them.

Sources: https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/chat-streaming,
https://platform.openai.com/docs/api-reference/responses/object,
https://platform.openai.com/docs/api-reference/responses-streaming and
https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]

SNAPSHOTS: Final = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "o4-mini": "o4-mini-2025-04-16",
}
"""The dated name that answers when one asks for a model by its short name."""

DONE: Final = "data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answers: the text, and the ``usage`` that is reported for it."""

    number: int
    """Of the request, for ids that are the same in every run."""
    created: int
    """Seconds since 1970."""
    model: str
    words: tuple[str, ...]
    usage: Any
    service_tier: str | None = "default"

    @property
    def text(self) -> str:
        """The words as one text."""
        return "".join(self.words)


def chat_usage(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Body:
    """Return the ``usage`` of a chat completion; ``completion`` includes ``reasoning``."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def response_usage(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Body:
    """Return the ``usage`` of a response; ``completion`` includes ``reasoning``."""
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def chat_completion(answer: Answer) -> Body:
    """Return the body of ``POST /v1/chat/completions``."""
    message = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_chat_head(answer, "chat.completion"), "choices": [choice], "usage": answer.usage}


def chat_events(answer: Answer, *, include_usage: bool) -> Iterator[str]:
    """Yield the server-sent events of a streamed chat completion, one a word."""
    head = _chat_head(answer, "chat.completion.chunk")
    without_usage: Body = {"usage": None} if include_usage else {}

    def chunk(delta: Body, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return f"data: {json.dumps({**head, 'choices': [choice], **without_usage})}\n\n"

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for word in answer.words:
        yield chunk({"content": word})
    yield chunk({}, "stop")
    if include_usage:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': answer.usage})}\n\n"
    yield DONE


def response(answer: Answer, *, status: str = "completed") -> Body:
    """Return the body of ``POST /v1/responses``; without output while it is in progress."""
    done = status == "completed"
    return {
        "id": f"resp_{answer.number:048x}",
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": answer.model,
        "output": [_message(answer, status)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": answer.service_tier if done else "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": answer.usage if done else None,
        "user": None,
        "metadata": {},
    }


def response_events(answer: Answer) -> Iterator[str]:
    """Yield the server-sent events of a streamed response, one delta a word."""
    sequence = 0
    place = {"item_id": f"msg_{answer.number:048x}", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    full = {**empty, "text": answer.text}

    def event(kind: str, **fields: Any) -> str:
        nonlocal sequence
        data = {"type": kind, "sequence_number": sequence, **fields}
        sequence += 1
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"

    started = response(answer, status="in_progress")
    item = {**_message(answer, "in_progress"), "content": []}
    yield event("response.created", response=started)
    yield event("response.in_progress", response=started)
    yield event("response.output_item.added", output_index=0, item=item)
    yield event("response.content_part.added", **place, part=empty)
    for word in answer.words:
        yield event("response.output_text.delta", **place, delta=word, logprobs=[])
    yield event("response.output_text.done", **place, text=answer.text, logprobs=[])
    yield event("response.content_part.done", **place, part=full)
    item = _message(answer, "completed")
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=response(answer))


def embeddings(answer: Answer, vectors: list[Any]) -> Body:
    """Return the body of ``POST /v1/embeddings``."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": answer.model,
        "usage": answer.usage,
    }


def models() -> Body:
    """Return the body of ``GET /v1/models``."""
    names = [*SNAPSHOTS, *SNAPSHOTS.values(), "text-embedding-3-small"]
    data = [{"id": n, "object": "model", "created": 0, "owned_by": "system"} for n in names]
    return {"object": "list", "data": data}


def error(status: int, model: str) -> Body:
    """Return the body of an error with an HTTP status code."""
    message, kind, code = {
        400: ("The request is not valid.", "invalid_request_error", None),
        401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
        404: (f"The model `{model}` does not exist.", "invalid_request_error", "model_not_found"),
        429: (f"Rate limit reached for {model}.", "requests", "rate_limit_exceeded"),
    }.get(status, ("The server had an error while processing.", "server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _chat_head(answer: Answer, kind: str) -> Body:
    return {
        "id": f"chatcmpl-{answer.number:029d}",
        "object": kind,
        "created": answer.created,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "system_fingerprint": "fp_standin",
    }


def _message(answer: Answer, status: str) -> Body:
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
    return {
        "id": f"msg_{answer.number:048x}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [text],
    }
