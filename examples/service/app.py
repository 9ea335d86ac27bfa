"""A service with the real OpenAI SDK, metered by costmeter.

What costmeter needs is marked: one line that meters the SDK, and names for what spends. The rest is
an ordinary FastAPI application.

Environment:
    OPENAI_BASE_URL: the provider, by default the stand-in on this machine.
    OPENAI_API_KEY: a key, where the provider wants one.
    EXAMPLE_UNPRICED_MODEL: a model that nobody knows the price of, asked now and then.
    COSTMETER_JOURNAL: where usage is written to, for the exporter to read.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Annotated

import openai
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import costmeter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROVIDER = os.environ.get(
    "OPENAI_BASE_URL", f"http://127.0.0.1:{os.environ.get('STANDIN_PORT', '8001')}/v1"
)

# costmeter: meter the SDK. What stands in for OpenAI is priced as OpenAI; without `providers`, an
# address that nothing is known of counts under its host name, and has no price.
costmeter.instrument(providers={PROVIDER: "openai"})

client = openai.AsyncOpenAI(
    base_url=PROVIDER,
    api_key=os.environ.get("OPENAI_API_KEY", "not-needed-by-the-stand-in"),
    max_retries=1,
)


async def attributed(x_tenant: Annotated[str, Header()] = "unknown") -> AsyncIterator[None]:
    """Name the tenant of everything that a request spends; its endpoint is known by its route."""
    with costmeter.attribute(tenant=x_tenant):  # costmeter
        yield


app = FastAPI(title="costmeter example", dependencies=[Depends(attributed)])


class Question(BaseModel):
    """What a caller asks."""

    text: str


@app.post("/summarise")
@costmeter.track(feature="summarise", team="content")  # costmeter
async def summarise(question: Question) -> dict[str, str | None]:
    """Summarise a text."""
    completion = await client.chat.completions.create(
        model=_model("gpt-4o-mini"),
        messages=[
            {"role": "system", "content": "Summarise in two sentences."},
            {"role": "user", "content": question.text},
        ],
        max_completion_tokens=120,
    )
    return {"summary": completion.choices[0].message.content}


@app.post("/chat")
@costmeter.track(feature="chat", team="support")  # costmeter
async def chat(question: Question) -> StreamingResponse:
    """Answer word by word."""
    stream = await client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "system", "content": HANDBOOK},
            {"role": "user", "content": question.text},
        ],
        stream=True,
    )

    async def words() -> AsyncIterator[str]:
        # Sent after this function has returned: the stream knows what it was opened for.
        async with stream:
            async for chunk in stream:
                if chunk.choices and (word := chunk.choices[0].delta.content):
                    yield word

    return StreamingResponse(words(), media_type="text/plain")


@app.post("/search")
@costmeter.track(feature="search", team="search")  # costmeter
async def search(question: Question) -> dict[str, str]:
    """Find what fits a question, and answer it from there."""
    await client.embeddings.create(model="text-embedding-3-small", input=question.text)
    with costmeter.attribute(feature="search-answer"):  # costmeter: part of it, told apart
        response = await client.responses.create(model="o4-mini", input=question.text)
    return {"answer": response.output_text}


@app.post("/index")
@costmeter.track(feature="index", team="search")  # costmeter
async def index(documents: list[str]) -> dict[str, int]:
    """Take documents into the search."""
    await client.embeddings.create(model="text-embedding-3-small", input=documents)
    return {"indexed": len(documents)}


@app.exception_handler(openai.APIError)
async def provider_failed(request: Request, error: openai.APIError) -> JSONResponse:  # noqa: ARG001
    """Pass on that the provider failed: costmeter has counted the call with its status."""
    return JSONResponse({"detail": f"the provider failed: {type(error).__name__}"}, 502)


HANDBOOK = "You answer customers, politely and briefly. " + " ".join(
    f"Rule {number}: look up what was agreed before you promise anything." for number in range(80)
)
"""A long prompt that is the same every time: providers keep it in their cache, at a lower price."""


def _model(usual: str) -> str:
    """Return the usual model, and now and then the one without a price."""
    unpriced = os.environ.get("EXAMPLE_UNPRICED_MODEL")
    return unpriced if unpriced and random.random() < 0.05 else usual
