"""A call that failed counts for the model that answers, where that is known."""

from __future__ import annotations

import openai
import pytest

from costmeter.instrumentation.clients import answering
from costmeter.instrumentation.clients.answering import MOST, expected, learn
from tests.instrumentation.clients.asking import ANSWERING, CHAT, headers
from tests.instrumentation.clients.conftest import Recorded


@pytest.fixture(autouse=True)
def forgotten() -> None:
    answering.forget()


def fail(client: openai.OpenAI, model: str = "gpt-4o-mini") -> None:
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**CHAT | {"model": model}, **headers(fault="500"))


def test_a_failure_counts_for_the_model_that_answered_last(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    fail(client)
    client.chat.completions.create(**CHAT, **headers())
    fail(client)
    fail(client, "gpt-4o")
    assert [(event.status, event.model) for event in recorded()] == [
        ("server_error", "gpt-4o-mini"),  # nothing else is known yet
        ("ok", ANSWERING),
        ("server_error", ANSWERING),
        ("server_error", "gpt-4o"),
    ]


def test_a_stream_that_told_nothing_counts_for_it_too(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    client.chat.completions.create(**CHAT, **headers())
    with client.chat.completions.create(**CHAT, stream=True, **headers()):
        pass
    assert [(event.status, event.model) for event in recorded()] == [
        ("ok", ANSWERING),
        ("cancelled", ANSWERING),
    ]


def test_each_provider_has_its_own_answers_and_the_last_one_counts() -> None:
    learn("openai", "gpt-4o", "gpt-4o-2024-05-13")
    learn("openai", "gpt-4o", "gpt-4o-2024-08-06")
    assert expected("openai", "gpt-4o") == "gpt-4o-2024-08-06"
    assert expected("azure.ai.openai", "gpt-4o") == "gpt-4o"


def test_only_so_many_names_are_remembered() -> None:
    for number in range(MOST + 1):
        learn("openai", f"model-{number}", "answering")
    assert expected("openai", f"model-{MOST - 1}") == "answering"
    assert expected("openai", f"model-{MOST}") == f"model-{MOST}"
    learn("openai", "model-0", "another")
    assert expected("openai", "model-0") == "another"
