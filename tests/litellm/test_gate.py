"""What litellm calls by itself asks the gate as well, and a refusal passes it as it is."""

from __future__ import annotations

from typing import Any

import litellm
import pytest

import costmeter
from costmeter import BudgetExceededError
from tests.gate.stack import Stack
from tests.litellm.conftest import Provider
from tests.litellm.test_litellm import CLAUDE, Named
from tests.waiting import until

ASKED: Any = [{"role": "user", "content": "x" * 300}]
CHATS = [
    # asked of litellm, provider, what answers
    ("anthropic/claude-haiku-4-5", "anthropic", "anthropic/message.json"),
    ("gemini/gemini-2.5-flash", "gcp.gemini", "google_genai/generate_content.json"),
    (f"bedrock/converse/{CLAUDE}", "aws.bedrock", "bedrock/converse.json"),
    (f"bedrock/invoke/{CLAUDE}", "aws.bedrock", "bedrock/claude.json"),
    ("mistral/mistral-large-latest", "mistral_ai", "mistral/chat_completion.json"),
    ("openai/gpt-4o-mini", "openai", "openai/chat_completion.json"),
]


async def ask(at: Provider, model: str, *, awaited: bool) -> None:
    asked = {"model": model, "messages": ASKED, "max_tokens": 1000, **at.sent()}
    with costmeter.attribute(team="search"):
        if awaited:
            await litellm.acompletion(**asked)
        else:
            litellm.completion(**asked)


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("model", "name", "body"), CHATS)
async def test_a_call_passes_while_there_is_room_and_settles_and_is_refused_before_it_leaves(
    model: str, name: str, body: str, awaited: bool, provider: Named, stack: Stack
) -> None:
    at = provider(name)
    at.answers(body)
    costmeter.instrument(gate=True)
    stack.start()
    asked = stack.listen()
    await ask(at, model, awaited=awaited)
    ((question, _, reserved),) = asked
    assert question.usage["output_tokens"] == 1000
    assert 100 <= question.usage["input_tokens"] <= 160
    assert reserved > 0
    until(stack.spent)
    until(lambda: stack.reserved() == 0)
    stack.spend("10")
    with pytest.raises(BudgetExceededError, match="hard limit of 10"):
        await ask(at, model, awaited=awaited)
    assert len(at.server.bodies) == 1


@pytest.fixture
def spent(provider: Named, stack: Stack) -> Provider:
    """A provider that is not to be called: the budget is gone."""
    at = provider("")
    at.answers("anthropic/message.json")
    costmeter.instrument(gate=True)
    stack.start()
    stack.spend("10")
    return at


@pytest.mark.parametrize("model", ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_no_error_of_litellms_and_is_not_tried_again(
    spent: Provider, model: str, stream: bool
) -> None:
    asked: Any = {"model": model, "messages": ASKED, "stream": stream, **spent.sent()}
    with costmeter.attribute(team="search"):
        with pytest.raises(BudgetExceededError):
            litellm.completion(**asked | {"num_retries": 2})
        with pytest.raises(BudgetExceededError):
            await litellm.acompletion(**asked | {"num_retries": 2})
        with pytest.raises(BudgetExceededError):
            litellm.responses(model=model, input="?", **spent.sent())
        with pytest.raises(BudgetExceededError):
            await litellm.aresponses(model=model, input="?", **spent.sent())
    assert spent.server.bodies == []


@pytest.mark.parametrize("model", ["anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"])
async def test_so_it_is_with_the_router(spent: Provider, model: str) -> None:
    deployment = {"model_name": "any", "litellm_params": {"model": model, **spent.sent()}}
    router = litellm.Router([deployment, deployment.copy()], num_retries=1)
    with costmeter.attribute(team="search"):
        with pytest.raises(BudgetExceededError):
            router.completion("any", ASKED)
        with pytest.raises(BudgetExceededError):
            await router.acompletion("any", ASKED)
    assert spent.server.bodies == []


def test_an_error_of_another_call_stays_what_it_is_while_a_refusal_is_handled(
    spent: Provider,
) -> None:
    asked: Any = {"messages": ASKED, **spent.sent()}
    spent.server.answers.clear()
    spent.server.answer(b"{}", status=429)
    try:
        with costmeter.attribute(team="search"):
            litellm.completion(model="anthropic/claude-haiku-4-5", **asked)
    except BudgetExceededError:
        with pytest.raises(litellm.RateLimitError):
            litellm.completion(model="anthropic/claude-haiku-4-5", **asked)
    else:
        pytest.fail("it was not refused")


def test_uninstrument_gives_back_the_function_that_makes_errors(provider: Named) -> None:
    provider("")
    replaced = litellm.main.exception_type
    costmeter.uninstrument("litellm")
    assert litellm.main.exception_type is replaced.__wrapped__
    assert litellm.main.exception_type is litellm.exception_type
