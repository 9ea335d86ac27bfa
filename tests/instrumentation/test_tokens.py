"""Expected counts are those that OpenAI's API tells, from its reference, or follow from them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from costmeter.instrumentation import tokens

RESPONSES = Path(__file__).parents[1] / "responses"
HELLO = [
    {"role": "developer", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Hello!"},
]
"""What the API's reference asks for the answer in ``openai/chat_completion.json``."""


def answer(name: str) -> tuple[str, dict[str, int]]:
    """Return the words of a kept answer, and the usage that it tells."""
    body = json.loads((RESPONSES / name).read_bytes())
    return body["choices"][0]["message"]["content"], body["usage"]


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini-2024-07-18", tokens.O200K),
        ("openai/gpt-4o", tokens.O200K),
        ("ft:gpt-4.1-mini:acme::1", tokens.O200K),
        ("gpt-5-chat-latest", tokens.O200K),
        ("gpt-4", tokens.CL100K),
        ("gpt-4-turbo-2024-04-09", tokens.CL100K),
        ("gpt-35-turbo", tokens.CL100K),
        ("o3", ""),  # what it thinks is never shown
        ("gpt-5", ""),
        ("gpt-4o-audio-preview", ""),
        ("gpt-4o-search-preview", ""),
        ("llama-3.3-70b", ""),
        ("", ""),
    ],
)
def test_a_vocabulary_is_known_by_the_beginning_of_a_models_name(model: str, encoding: str) -> None:
    assert tokens.encoding_of(model) == encoding


def test_a_prompt_has_as_many_tokens_as_the_api_says() -> None:
    _, usage = answer("openai/chat_completion.json")
    assert tokens.count_prompt({"messages": HELLO}, tokens.O200K) == usage["prompt_tokens"] == 19


def test_an_answer_has_as_many_tokens_as_the_api_says_give_or_take_one() -> None:
    for name in ("openai/chat_completion.json", "azure/chat_completion.json"):
        text, usage = answer(name)
        counted = tokens.count([text], tokens.O200K)
        assert usage["completion_tokens"] - counted in (0, 1)


def test_names_and_parts_of_messages_count() -> None:
    plain = [{"role": "user", "content": "Hello!"}]
    named = [{"role": "user", "content": "Hello!", "name": "Hello"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello!"}], "audio": None}]
    count = tokens.count_prompt({"messages": plain}, tokens.O200K)
    assert count == 9  # 3 for the message, 3 for the reply, "user", "Hello" and "!"
    assert tokens.count_prompt({"messages": named}, tokens.O200K) == 11  # 1 and "Hello"
    assert tokens.count_prompt({"messages": parts}, tokens.O200K) == count


def test_functions_count_as_the_cookbook_says() -> None:
    function: dict[str, Any] = {"name": "Hello", "description": "Hello."}
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello!"}], "tools": []}
    before = tokens.count_prompt(asked, tokens.O200K)
    asked["tools"] = [{"type": "function", "function": function}]
    # 7 for the function, 12 for their end; "Hello", ":", "Hello"
    assert tokens.count_prompt(asked, tokens.O200K) == before + 22
    function["parameters"] = {
        "properties": {"Hello": {"type": "Hello", "description": "Hello", "enum": ["Hello"] * 2}}
    }
    # 3 for there being properties, 3 for this one, 5 for its name, type and description with ":"
    # between them, and for the two values 3 each less 3, and one for their words
    assert tokens.count_prompt(asked, tokens.O200K) == before + 22 + 3 + 3 + 5 + 3 + 2


def test_calls_of_functions_count_by_their_names_and_arguments() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "Hello", "arguments": "!"}}
    message = {"role": "user", "content": None, "tool_calls": [call]}
    assert tokens.count_prompt({"messages": [message]}, tokens.O200K) == 9


def test_a_prompt_of_a_completion_has_no_frame() -> None:
    assert tokens.count_prompt({"prompt": "Hello!"}, tokens.CL100K) == 2
    assert tokens.count_prompt({"prompt": ["Hello!", "Hello"]}, tokens.CL100K) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": ["Hello"]},
        {"messages": HELLO, "tools": [{"type": "web_search"}]},
        {"prompt": [[1, 2, 3]]},
    ],
)
def test_what_is_no_text_is_not_guessed(body: dict[str, Any]) -> None:
    assert tokens.count_prompt(body, tokens.O200K) is None


def test_what_reads_like_a_special_token_is_text() -> None:
    assert tokens.count(["<|endoftext|>"], tokens.O200K) > 1


def test_a_vocabulary_is_loaded_beside_the_application_and_only_once_asked_for() -> None:
    program = (
        "import sys, threading, costmeter; from costmeter.instrumentation import tokens;"
        "assert tokens.available() and 'toktok' not in sys.modules;"
        "assert not tokens.loaded('cl100k_base');"
        "[t.join() for t in threading.enumerate() if t is not threading.current_thread()];"
        "assert tokens.loaded('cl100k_base') and 'toktok' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
