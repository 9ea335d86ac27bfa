"""What tools of a response used, beside its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import costmeter
from costmeter.instrumentation.clients.openai.tools import used
from costmeter.instrumentation.clients.reading import Share
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.openai_begun import create_app

SHELL = {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "c"}}
CODE = {"type": "code_interpreter_call", "container_id": "c"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield f"{url}/v1"


def test_each_tool_costs_its_own_price_and_the_container_waits_for_one(
    server: str, recorded: Recorded, tmp_path: Path
) -> None:
    costmeter.instrument("openai", providers={server: "openai"})
    answered = {"extra_headers": {"x-standin-body": "../openai/response_tools.json"}}
    with openai.OpenAI(api_key="key", base_url=server) as client:
        client.responses.create(model="gpt-4.1", input="What?", **answered)
    costmeter.uninstrument()
    # gpt-4.1: 36 at 2,000 nano-dollars, 87 at 8,000; two searches at 2,500,000; gpt-image-1.5: 44
    # text at 5,000, 150 image at 8,000, 56 text at 10,000, 1,000 image at 32,000.
    answer, files = 72_000 + 696_000, 5_000_000
    drawn = 220_000 + 1_200_000 + 560_000 + 32_000_000
    assert spent(tmp_path / "ledger.db", recorded()) == answer + files + drawn


@pytest.mark.parametrize(
    ("fields", "searches", "shares"),
    [
        ({"output": []}, 0, ()),
        ({"output": [{"type": "message"}, None, 3]}, 0, ()),
        ({"output": [{"type": "web_search_call"}]}, 1, ()),
        ({"output": [{"type": "web_search_call", "action": {"type": "open_page"}}]}, 0, ()),
        ({"output": [SHELL, CODE]}, 0, (Share("container", {"container_sessions": 1}, "", "c"),)),
        ({"output": [{"type": "shell_call", "environment": {"type": "local"}}]}, 0, ()),
        (
            {
                "output": [SHELL],
                "tools": [{"type": "shell", "environment": {"memory_limit": "16g"}}],
            },
            0,
            (Share("container", {"container_sessions": 1}, "16g", "c"),),
        ),
        (
            {"output": [CODE], "tools": [{"type": "code_interpreter", "container": "c"}]},
            0,
            (Share("container", {"container_sessions": 1}, "", "c"),),
        ),
        (
            {"output": [3], "tool_usage": {"image_gen": {"input_tokens": 5, "output_tokens": 7}}},
            0,
            (
                Share(
                    "",
                    {"input_tokens": 5, "output_tokens": 7, "output_image_tokens": 7},
                ),
            ),
        ),
    ],
)
def test_what_the_items_of_an_answer_used(
    fields: dict[str, Any], searches: int, shares: tuple[Share, ...]
) -> None:
    odd: list[str] = []
    assert used(fields, odd) == (searches, shares)
    assert odd == []
