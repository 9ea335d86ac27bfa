"""Agents of Bedrock, and their rankings: what their answers and requests tell, by the real boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.instrumentation.clients.bedrock.asking import agents_of, body_of
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import Bedrock, converse_frames

ASKED = {"agentId": "A1", "agentAliasId": "L1", "sessionId": "s-1", "inputText": "What?"}


@pytest.fixture
def agents(bedrock: Bedrock, metered: None) -> Iterator[Any]:
    """A metered client of ``bedrock-agent-runtime``."""
    client = agents_of(bedrock.url)
    yield client
    client.close()


def test_an_agent_counts_the_tokens_of_each_model_that_its_trace_tells(
    agents: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(frames=converse_frames(body_of("agent.jsonl")))
    events = list(agents.invoke_agent(**ASKED, enableTrace=True)["completion"])
    assert events[-1]["chunk"]["bytes"] == b"One cent."
    call, other = recorded()
    assert (call.operation, call.model, call.status) == (
        "invoke_agent",
        "amazon.nova-micro-v1:0",
        "ok",
    )
    assert call.usage == {"input_tokens": 100, "output_tokens": 10}
    assert (other.model, other.calls) == ("us.amazon.nova-pro-v1:0", 0)
    assert other.usage == {"input_tokens": 1500, "output_tokens": 100}  # asked twice


def test_an_agent_without_a_trace_is_a_call_of_unknown_usage(
    agents: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(frames=converse_frames(body_of("agent.jsonl"))[-1:])
    list(agents.invoke_agent(**ASKED)["completion"])
    assert [(one.model, one.usage, one.status) for one in recorded()] == [("", {}, "ok")]


def test_an_inline_agent_names_its_model(agents: Any, bedrock: Bedrock, recorded: Recorded) -> None:
    bedrock.answer(frames=converse_frames(body_of("agent.jsonl"))[-1:])
    answer = agents.invoke_inline_agent(
        foundationModel="us.amazon.nova-pro-v1:0", instruction="Answer " * 10,
        sessionId="s-1", inputText="What?",
    )  # fmt: skip
    list(answer["completion"])
    assert [one.model for one in recorded()] == ["us.amazon.nova-pro-v1:0"]


def test_an_answer_of_an_agent_that_breaks_off_keeps_what_was_told(
    agents: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(frames=converse_frames(body_of("agent.jsonl"))[:4])
    list(agents.invoke_agent(**ASKED, enableTrace=True)["completion"])
    call, _ = recorded()
    assert (call.status, call.usage) == ("incomplete", {"input_tokens": 100, "output_tokens": 10})


@pytest.mark.parametrize(("sources", "units"), [(2, 1), (250, 3)])
def test_a_ranking_costs_a_unit_for_each_hundred_documents(
    agents: Any, bedrock: Bedrock, recorded: Recorded, sources: int, units: int
) -> None:
    bedrock.answer(json.dumps({"results": [{"index": 0, "relevanceScore": 0.9}]}).encode())
    document = {"type": "TEXT", "textDocument": {"text": "two"}}
    arn = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0"
    agents.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "one"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": document}] * sources,
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}},
        },
    )
    (event,) = recorded()
    assert (event.operation, event.model) == ("rerank", "cohere.rerank-v3-5:0")
    assert (event.provider, event.usage) == ("aws.bedrock", {"search_units": units})


def test_what_tells_nothing_is_no_call(agents: Any, bedrock: Bedrock, recorded: Recorded) -> None:
    bedrock.answer(json.dumps({"output": {"text": "One cent."}, "sessionId": "s-1"}).encode())
    agents.retrieve_and_generate(input={"text": "What does it cost?"})
    assert recorded() == []
