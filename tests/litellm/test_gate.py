"""What litellm calls by itself asks the gate as well; it makes errors of its own of refusals."""

from __future__ import annotations

from collections.abc import Iterator
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


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised in place of: litellm makes its own of all."""
    while error is not None:
        yield error
        error = error.__context__


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
    with pytest.raises(Exception, match="hard limit of 10") as raised:
        await ask(at, model, awaited=awaited)
    assert any(isinstance(each, BudgetExceededError) for each in chain(raised.value))
    assert len(at.server.bodies) == 1
