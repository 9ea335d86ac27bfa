"""Bodies as Ollama answers with, and odd ones."""

from __future__ import annotations

import json
from typing import Any

import ollama
import pytest

from costmeter.instrumentation.clients.ollama.usage import is_last, read
from costmeter.instrumentation.clients.reading import Reading
from tests.standins.answering import RESPONSES


def body(name: str) -> Any:
    """Return a kept body."""
    return json.loads((RESPONSES / "ollama" / name).read_text())


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("chat.json", Reading({"input_tokens": 26, "output_tokens": 18}, "llama3.2")),
        ("generate.json", Reading({"input_tokens": 26, "output_tokens": 18}, "llama3.2")),
        ("embed.json", Reading({"input_tokens": 8}, "nomic-embed-text")),
        ("embeddings.json", Reading()),
        ("systemone.json", Reading({"input_tokens": 40, "output_tokens": 2}, "llama3.2")),
    ],
)
def test_a_body_tells_model_and_tokens(name: str, reading: Reading) -> None:
    assert read(body(name)) == reading


def test_the_sdks_models_tell_the_same() -> None:
    assert read(ollama.ChatResponse(**body("chat.json"))) == read(body("chat.json"))
    assert read(ollama.EmbedResponse(**body("embed.json"))) == read(body("embed.json"))
    one = ollama.SystemOneResponse(**body("systemone.json"))
    assert read(one) == read(body("systemone.json"))


def test_only_the_last_part_of_a_stream_is_done() -> None:
    lines = (RESPONSES / "ollama/chat_stream.ndjson").read_text().splitlines()
    parts = [ollama.ChatResponse(**json.loads(line)) for line in lines]
    assert [is_last(part) for part in parts] == [False, False, False, True]
    assert [read(part).usage is None for part in parts] == [True, True, True, False]


@pytest.mark.parametrize(
    ("given", "reading"),
    [
        ({}, Reading()),
        ({"prompt_eval_count": 0, "eval_count": 0}, Reading(usage={})),
        ({"eval_count": 5}, Reading(usage={"output_tokens": 5})),
        (5, Reading(odd=("a response of type int",))),
        (
            {"prompt_eval_count": -1, "eval_count": 2, "model": 7},
            Reading(
                {"output_tokens": 2}, odd=("prompt_eval_count -1, which is no count of tokens",)
            ),
        ),
    ],
)
def test_what_is_odd_is_named_and_the_rest_is_read(given: object, reading: Reading) -> None:
    assert read(given) == reading
    assert not is_last(given)
