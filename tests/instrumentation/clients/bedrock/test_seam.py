"""How botocore is metered and given back: clients, imports, other patches, errors of ours."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import botocore.client
import botocore.exceptions
import pytest

import costmeter
from costmeter.instrumentation.clients.bedrock.usage import Tally
from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    MESSAGES,
    MODEL,
    body_of,
    client_of,
    conversing,
)
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import (
    Bedrock,
)


def test_a_client_that_was_made_before_is_metered_and_given_back_its_method(
    bedrock: Bedrock, recorded: Recorded
) -> None:
    original = vars(botocore.client.BaseClient)["_make_api_call"]
    client = client_of(bedrock.url)
    bedrock.answer(body_of("converse.json"))
    costmeter.instrument("botocore")
    patched = vars(botocore.client.BaseClient)["_make_api_call"]
    client.converse(modelId=MODEL, messages=MESSAGES)
    costmeter.uninstrument("botocore")
    client.converse(modelId=MODEL, messages=MESSAGES)
    assert len(recorded()) == 1
    assert inspect.signature(patched) == inspect.signature(original)
    assert vars(botocore.client.BaseClient)["_make_api_call"] is original


def test_a_patch_put_around_ours_stays_and_nothing_is_metered_any_more(
    bedrock: Bedrock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = vars(botocore.client.BaseClient)["_make_api_call"]
    costmeter.instrument("botocore")
    ours = vars(botocore.client.BaseClient)["_make_api_call"]
    seen = []

    def theirs(client: Any, operation_name: str, api_params: Any) -> Any:
        seen.append(operation_name)
        return ours(client, operation_name, api_params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", original)
    botocore.client.BaseClient._make_api_call = theirs
    costmeter.uninstrument("botocore")
    bedrock.answer(body_of("converse.json"))
    client_of(bedrock.url).converse(modelId=MODEL, messages=MESSAGES)
    assert (seen, recorded()) == (["Converse"], [])


def test_a_botocore_made_otherwise_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    def _make_api_call(client: Any, operation: Any) -> None:
        """A method of another shape."""

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", _make_api_call)
    costmeter.instrument("botocore")
    costmeter.uninstrument("botocore")
    assert vars(botocore.client.BaseClient)["_make_api_call"] is _make_api_call
    assert "does not meter botocore" in caplog.text


def test_an_error_of_ours_keeps_nothing_from_the_caller(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(Tally, "event", fail)
    monkeypatch.setattr(Tally, "body", fail)
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    assert len(list(stream)) == 6
    bedrock.answers.clear()
    bedrock.answer(body_of("claude.json"))
    body = runtime.invoke_model(modelId=MODEL, body=CHAT)["body"]
    assert json.load(body)["type"] == "message"
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete"), ({}, "ok")]
    monkeypatch.setattr(Tally, "response", fail)
    bedrock.answers.clear()
    bedrock.answer(body_of("converse.json"))
    assert runtime.converse(modelId=MODEL, messages=MESSAGES)["stopReason"] == "end_turn"
    assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]


def test_what_is_taken_back_before_the_import_is_not_metered_after_it() -> None:
    program = """
import sys
import botocore
import costmeter
finders = list(sys.meta_path)
costmeter.instrument("botocore")
costmeter.uninstrument("botocore")
print(sys.meta_path == finders)
import botocore.client
print(botocore.client.BaseClient._make_api_call.__code__.co_filename.endswith("/context.py"))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["True", "True"], "")


@pytest.mark.parametrize("before", ["", "import botocore", "import boto3"])
def test_the_order_of_imports_does_not_matter_and_none_is_made(before: str) -> None:
    program = f"""
import sys
{before}
import costmeter
costmeter.instrument("botocore")
print("botocore.client" in sys.modules)
import botocore.exceptions
print("botocore.client" in sys.modules)
import boto3
print(hasattr(sys.modules["botocore.client"].BaseClient._make_api_call, "__wrapped__"),
      sys.modules["botocore.client"].BaseClient._make_api_call.__code__.co_filename[-18:])
costmeter.uninstrument()
print(sys.modules["botocore.client"].BaseClient._make_api_call.__code__.co_filename[-11:])
"""
    imported = str("boto3" in before)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [imported, imported, "True", "/bedrock/client.py", "/context.py"]
    assert ran.stderr == ""
