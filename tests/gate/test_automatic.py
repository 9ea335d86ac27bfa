"""Instrumented calls of the real SDKs ask the gate: sync, async and streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import costmeter
from costmeter import BudgetExceededError, gate
from costmeter.instrumentation import gate_client
from costmeter.instrumentation.clients import call
from costmeter.units import NANO
from examples.standin.app import Standin
from examples.standin.app import create_app as create_openai
from tests.examples.serving import serving
from tests.gate.stack import HARD, Stack
from tests.standins.anthropic import create_app as create_anthropic
from tests.waiting import until

QUESTION = [{"role": "user", "content": "x" * 300}]
PROMPT = 102  # (300 + 4 of "user" + 1 or so) bytes at three a token, rounded up
DEGRADE = {"models": {"gpt-4o": "gpt-4o-mini", "claude-opus-*": "claude-haiku-4-5"}}


class Seen:
    """An application that remembers which models were asked for."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.models: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""

        async def heard() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body"):
                self.models.append(json.loads(body)["model"])
            return message

        await self.app(scope, heard, send)


@pytest.fixture
def provider() -> Iterator[tuple[Seen, str]]:
    seen = Seen(create_openai(Standin()))
    with serving(seen) as url:
        costmeter.instrument("openai", providers={url: "openai"}, gate=True)
        yield seen, f"{url}/v1"
        costmeter.uninstrument()


@pytest.fixture
def claude() -> Iterator[tuple[Seen, str]]:
    seen = Seen(create_anthropic())
    with serving(seen) as url:
        costmeter.instrument("anthropic", providers={url: "anthropic"}, gate=True)
        yield seen, url
        costmeter.uninstrument()


def ask(url: str, model: str = "gpt-4o", **more: Any) -> Any:
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client:
        done = client.chat.completions.create(model=model, messages=QUESTION, **more)
        return list(done) if more.get("stream") else done


async def aask(url: str, model: str = "gpt-4o", **more: Any) -> Any:
    async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        done = await client.chat.completions.create(model=model, messages=QUESTION, **more)
        return [chunk async for chunk in done] if more.get("stream") else done


def test_a_call_reserves_its_estimate_and_settles_it_with_its_real_cost(stack, provider):
    _seen, url = provider
    stack.start()
    asked = stack.listen()
    with costmeter.attribute(team="search"):
        ask(url, max_tokens=1000, n=2)
    ((question, _, nano),) = asked
    usage = question.usage
    assert usage["output_tokens"] == 2000
    assert PROMPT <= usage["input_tokens"] <= PROMPT + 10
    assert nano == usage["input_tokens"] * 2500 + 2000 * 10_000  # 2.50 and 10 USD a million
    until(stack.spent)
    assert stack.reserved() == 0
    assert stack.spent() < nano


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_over_the_limit_is_refused_before_it_leaves(stack: Stack, provider, stream):
    seen, url = provider
    stack.start()
    stack.spend("10")
    with costmeter.attribute(team="search"), pytest.raises(BudgetExceededError) as raised:
        ask(url, stream=stream)
    assert raised.value.budget == "search"
    assert seen.models == []
    with costmeter.attribute(team="another"):
        ask(url, stream=stream)
    assert seen.models == ["gpt-4o"]


@pytest.mark.parametrize("stream", [False, True])
async def test_so_is_one_that_is_awaited(stack: Stack, provider, stream):
    seen, url = provider
    stack.start()
    stack.spend("10")
    with costmeter.attribute(team="search"), pytest.raises(BudgetExceededError):
        await aask(url, stream=stream)
    assert seen.models == []
    await aask(url, stream=stream)
    assert seen.models == ["gpt-4o"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_goes_to_the_cheaper_model_and_is_metered_as_that(stack, provider, stream):
    seen, url = provider
    stack.settings["budgets"] = [{**HARD, "degrade": DEGRADE}]
    stack.start()
    with costmeter.attribute(team="search"):
        ask(url, stream=stream)
        stack.spend("6.4")  # 80 % of the soft limit
        ask(url, stream=stream)
        ask(url, stream=stream, extra_body={"model": "gpt-4o"})
        await aask(url, stream=stream)
        ask(url, "gpt-4.1-nano", stream=stream)
    assert seen.models == ["gpt-4o", "gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini", "gpt-4.1-nano"]
    until(lambda: any("gpt-4o-mini-" in name for _, name in stack.pipeline.publisher.models))
    until(lambda: stack.reserved() == 0)


def test_switching_can_be_left_to_the_application(stack: Stack, provider):
    seen, url = provider
    stack.settings["budgets"] = [{**HARD, "degrade": {**DEGRADE, "automatic": False}}]
    stack.start()
    stack.spend("7")
    with costmeter.attribute(team="search"):
        ask(url)
        decision = gate.check("0.01", model="gpt-4o")
        assert decision.model == "gpt-4o-mini"
    assert seen.models == ["gpt-4o"]


def test_a_critical_call_passes(stack: Stack, provider):
    seen, url = provider
    stack.start()
    stack.spend("10")
    with costmeter.attribute(team="search", priority="critical"):
        ask(url)
    assert seen.models == ["gpt-4o"]
    assert stack.samples("cost_gate_checks_total")["search", "critical"] == 1


def test_what_the_application_has_checked_itself_is_not_asked_for_again(stack: Stack, provider):
    _, url = provider
    stack.start()
    with costmeter.attribute(team="search"):
        gate.check(1)
        ask(url)
    until(lambda: stack.reserved() == 0)
    assert stack.samples("cost_gate_checks_total")["search", "allowed"] == 1


def test_without_a_sidecar_calls_pass_or_not_as_configured(stack, provider, monkeypatch):
    seen, url = provider
    ask(url)
    assert seen.models == ["gpt-4o"]
    monkeypatch.setenv("COSTMETER_GATE_FALLBACK", "closed")
    with pytest.raises(BudgetExceededError, match="cannot be asked"):
        ask(url)
    assert seen.models == ["gpt-4o"]


@pytest.mark.parametrize(
    ("environment", "given", "gated"),
    [("", None, False), ("on", None, True), ("off", None, False), ("on", False, False)],
)
def test_the_environment_may_turn_it_on(stack, monkeypatch, environment, given, gated):
    monkeypatch.setenv("COSTMETER_GATE", environment)
    costmeter.instrument("openai", gate=given)
    assert (call.gate is not None) == gated
    costmeter.instrument("openai")
    costmeter.uninstrument()
    assert call.gate is None


def speak(url: str, model: str, *, stream: bool) -> None:
    with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
        asked: dict[str, Any] = {"model": model, "max_tokens": 1000, "messages": QUESTION}
        if stream:
            with client.messages.stream(**asked) as events:
                events.get_final_message()
        else:
            client.messages.create(**asked)


async def aspeak(url: str, model: str, *, stream: bool) -> None:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client:
        asked: dict[str, Any] = {"model": model, "max_tokens": 1000, "messages": QUESTION}
        if stream:
            async with client.messages.stream(**asked) as events:
                await events.get_final_message()
        else:
            await client.messages.create(**asked)


@pytest.mark.parametrize("stream", [False, True])
async def test_claude_is_switched_and_stopped_as_well(stack: Stack, claude, stream):
    seen, url = claude
    stack.settings["budgets"] = [{**HARD, "degrade": DEGRADE}]
    stack.start()
    with costmeter.attribute(team="search"):
        speak(url, "claude-opus-4-1", stream=stream)
        stack.spend("7")
        speak(url, "claude-opus-4-1", stream=stream)
        await aspeak(url, "claude-opus-4-1", stream=stream)
        assert seen.models == ["claude-opus-4-1", "claude-haiku-4-5", "claude-haiku-4-5"]
        stack.spend("3")
        with pytest.raises(BudgetExceededError):
            speak(url, "claude-opus-4-1", stream=stream)
        with pytest.raises(BudgetExceededError):
            await aspeak(url, "claude-opus-4-1", stream=stream)
    assert len(seen.models) == 3
    assert stack.samples("cost_gate_checks_total")["search", "refused"] == 2


def test_workers_with_automatic_calls_keep_to_the_limit_together(stack: Stack, provider):
    _seen, url = provider
    limit = {"soft_usd": "0.0300", "hard_usd": "0.0300"}
    stack.settings["budgets"] = [{**HARD, "day": limit}]
    stack.start()
    gate_client.reset()
    refused = 0
    with costmeter.attribute(team="search"):
        for _ in range(40):
            try:
                ask(url, max_tokens=1000)
            except BudgetExceededError:
                refused += 1
    assert refused
    until(lambda: stack.reserved() == 0)
    assert 0 < stack.spent() < 0.03 * NANO
