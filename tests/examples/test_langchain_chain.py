from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.examples.running import bench


def test_each_call_is_one_event_whoever_sits_above_the_sdk(tmp_path: Path) -> None:
    with bench(tmp_path) as around:
        run = around.python("-m", "examples.langchain_chain")
        assert run.returncode == 0, run.stderr
        assert run.stdout.count(" -> ") == 3
        events = around.events()
        assert around.requests() == len(events) == 4
    assert Counter(event.attributes["feature"] for event in events) == {"triage": 3, "answer": 1}
    for event in events:
        assert (event.provider, event.model) == ("openai", "gpt-4o-mini-2024-07-18")
        assert (event.status, event.calls, event.attributes["team"]) == ("ok", 1, "support")
        assert event.usage["input_tokens"] > 0
        assert event.usage["output_tokens"] > 0
