from __future__ import annotations

import inspect
import logging
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest

import costmeter
from costmeter.errors import ConfigError
from costmeter.instrumentation import instrument as instrumentation
from costmeter.instrumentation.clients import ALIASES, CLIENTS
from costmeter.instrumentation.clients.openai.client import OpenAI
from costmeter.journal import process

SYNC = openai.OpenAI.__mro__[1]
ASYNC = openai.AsyncOpenAI.__mro__[1]
BODY = (Path(__file__).parents[1] / "responses/openai/chat_completion.json").read_bytes()


class Journal:
    """Keeps what is written, or fails at it."""

    def __init__(self, fails: bool = False) -> None:
        self.payloads: list[bytes] = []
        self.errors = 0
        self.fails = fails

    def write(self, payload: bytes) -> bool:
        if self.fails:
            raise MemoryError("no")
        self.payloads.append(payload)
        return True

    def count_error(self) -> None:
        self.errors += 1

    def close(self) -> None:
        pass


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    journal = Journal()
    monkeypatch.setattr(process, "journal", journal)
    return journal


@pytest.fixture(autouse=True)
def _unmetered_at_the_end() -> Iterator[None]:
    yield
    costmeter.uninstrument()


def ask(body: bytes = BODY) -> Any:
    """Make a call whose provider answers at once."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": "application/json"})

    transport = httpx2.MockTransport(answer)
    with openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport)) as client:
        return client.chat.completions.create(model="gpt-4.1", messages=[])


def test_metering_twice_records_once(journal: Journal) -> None:
    costmeter.instrument()
    costmeter.instrument("openai")
    ask()
    assert len(journal.payloads) == 1


def test_uninstrument_gives_back_the_very_same_methods(journal: Journal) -> None:
    before = vars(SYNC)["request"], vars(ASYNC)["request"]
    costmeter.instrument()
    assert vars(SYNC)["request"] is not before[0]
    costmeter.uninstrument()
    costmeter.uninstrument()
    assert (vars(SYNC)["request"], vars(ASYNC)["request"]) == before
    ask()
    assert journal.payloads == []


def test_signatures_names_and_kinds_stay() -> None:
    methods = (SYNC.request, ASYNC.request, openai.OpenAI(api_key="k").chat.completions.create)  # type: ignore[attr-defined]
    before = [inspect.signature(method) for method in methods]
    costmeter.instrument()
    after = (SYNC.request, ASYNC.request, openai.OpenAI(api_key="k").chat.completions.create)  # type: ignore[attr-defined]
    assert [inspect.signature(method) for method in after] == before
    assert [method.__qualname__ for method in after] == [method.__qualname__ for method in methods]
    assert inspect.iscoroutinefunction(after[1])
    assert not inspect.iscoroutinefunction(after[0])


def test_responses_are_the_sdks_own_and_can_be_pickled(journal: Journal) -> None:
    costmeter.instrument()
    completion = ask()
    assert type(completion) is openai.types.chat.ChatCompletion
    assert pickle.loads(pickle.dumps(completion)) == completion


def test_where_another_library_has_wrapped_us_calls_pass_on_unmetered(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    costmeter.instrument()
    ours = vars(SYNC)["request"]

    def theirs(*args: Any, **named: Any) -> Any:
        return ours(*args, **named)

    monkeypatch.setattr(SYNC, "request", theirs)
    costmeter.uninstrument()
    assert vars(SYNC)["request"] is theirs
    assert ask().choices
    assert journal.payloads == []
    costmeter.instrument()
    ask()
    assert len(journal.payloads) == 1
    costmeter.uninstrument()


def test_what_was_put_in_is_taken_out_though_the_next_patch_failed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Patch:
        def __init__(self, fails: bool) -> None:
            self.fails, self.is_in = fails, False

        def put(self) -> None:
            if self.fails:
                raise TypeError("not as known")
            self.is_in = True

        def take(self) -> None:
            self.is_in = False

    patches = [Patch(fails=False), Patch(fails=True)]
    client = SimpleNamespace(meter=lambda module, settings: patches)
    monkeypatch.setattr(instrumentation, "client_of", lambda sdk: client)
    costmeter.instrument("openai")
    assert patches[0].is_in
    assert journal.errors == 1
    costmeter.uninstrument("openai")
    assert not patches[0].is_in


def test_an_unknown_sdk_is_an_error_that_names_those_that_are_known() -> None:
    known = (
        "aiobotocore, anthropic, boto3, celery, cohere, fastapi, flask, google.genai, groq, litellm, "
        "mistralai, mistralai.azure.client, mistralai.gcp.client, ollama, openai, starlette"
    )
    with pytest.raises(ConfigError, match=f"'opnai' is not one of: {known}$"):
        costmeter.instrument("opnai")


def test_a_mistake_in_the_environment_is_told_and_the_rest_of_it_holds(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COSTMETER_PROVIDERS", "api.openai.com=proxy,nonsense")
    costmeter.instrument()
    ask()
    assert b'"proxy"' in journal.payloads[0]
    assert "COSTMETER_PROVIDERS: 'nonsense' is not address=provider" in caplog.text


def test_an_argument_wins_over_the_environment(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSTMETER_PROVIDERS", "api.openai.com=proxy")
    costmeter.instrument()
    costmeter.instrument(providers={"api.openai.com": "mine"})
    ask()
    costmeter.instrument()  # says nothing of providers, so they stay
    ask()
    assert [b'"mine"' in payload for payload in journal.payloads] == [True, True]


def test_disabled_nothing_is_touched(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTMETER_DISABLED", "1")
    before = vars(SYNC)["request"]
    costmeter.instrument()
    assert vars(SYNC)["request"] is before


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"AsyncOpenAI": None}, "NoneType"),
        ({"AzureOpenAI": ...}, "AzureOpenAI"),
        ({"OpenAI": type("OpenAI", (), {})}, "OpenAI.request is no method"),
        (
            {"OpenAI": type("OpenAI", (), {"request": lambda self, options: None})},
            "OpenAI.request: got an unexpected keyword argument 'cast_to'",
        ),
    ],
)
def test_an_sdk_that_is_not_made_as_it_was_is_left_alone_with_one_warning(
    changed: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    sdk = ModuleType("openai")
    vars(sdk).update(
        OpenAI=openai.OpenAI,
        AsyncOpenAI=openai.AsyncOpenAI,
        AzureOpenAI=openai.AzureOpenAI,
        AsyncAzureOpenAI=openai.AsyncAzureOpenAI,
        __version__="9.0.0",
    )
    for name, value in changed.items():
        if value is ...:
            delattr(sdk, name)
        else:
            setattr(sdk, name, value)
    before = vars(SYNC)["request"], vars(ASYNC)["request"]
    instrumentation._meter("openai", sdk)
    assert (vars(SYNC)["request"], vars(ASYNC)["request"]) == before
    (record,) = caplog.records
    assert "costmeter does not meter openai 9.0.0" in record.getMessage()
    assert told in record.getMessage()


@pytest.mark.parametrize("broken", ["start", "read", "write"])
def test_an_error_of_ours_is_counted_and_the_call_goes_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    costmeter.instrument()
    if broken == "start":
        monkeypatch.setattr(OpenAI, "start", fail)
    elif broken == "read":
        monkeypatch.setattr(OpenAI, "read", fail)
    else:
        journal.fails = True
    assert ask().choices[0].message.content.startswith("Hello")
    assert journal.errors == 1
    assert len(journal.payloads) == (broken == "read")  # what cannot be read is counted


def test_the_sdk_is_not_imported_and_is_metered_once_the_application_does() -> None:
    script = """
        import sys
        import costmeter
        assert "costmeter.instrumentation" not in sys.modules
        costmeter.instrument()
        assert "openai" not in sys.modules
        import openai
        assert hasattr(openai.OpenAI.request, "__wrapped__")
        assert hasattr(openai.AsyncOpenAI.request, "__wrapped__")
        costmeter.uninstrument()
        assert not hasattr(openai.OpenAI.request, "__wrapped__")
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True)


def test_settings_hold_for_an_sdk_that_is_imported_later() -> None:
    script = """
        import costmeter
        costmeter.instrument(providers={"llm.internal": "mine"}, stream_usage=False)
        costmeter.instrument()
        from costmeter.instrumentation import instrument
        assert instrument._settings.providers.at("http://llm.internal/v1") == "mine"
        assert instrument._settings.stream_usage is False
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True)


def test_an_error_of_ours_while_patching_does_not_reach_the_import(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(sdk: str) -> None:
        raise ImportError(f"no module for {sdk}")

    monkeypatch.setattr(instrumentation, "client_of", fail)
    costmeter.instrument("openai")
    assert journal.errors == 1
    assert ask().choices


@pytest.mark.parametrize("journal_directory", ["missing", "a file", "read-only"])
def test_a_journal_that_cannot_be_written_does_not_touch_the_application(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    journal_directory: str,
) -> None:
    directory = tmp_path / "journal"
    if journal_directory == "a file":
        directory.write_text("")
    elif journal_directory == "read-only":
        directory = Path("/proc/self/fdinfo")  # not even root can write there
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    process.reset()
    costmeter.instrument()
    try:
        with caplog.at_level(logging.WARNING, "costmeter"):
            assert [ask().choices[0].index for _ in range(3)] == [0, 0, 0]
        assert len(caplog.records) == 1
    finally:
        process.reset()


def test_an_sdk_is_known_by_its_packages_name_too() -> None:
    import cohere.client  # loads what it needs when it is asked for

    original = vars(cohere.client.Client)
    costmeter.instrument("cohere", "boto3", "mistralai", "fastapi")
    costmeter.uninstrument("cohere", "boto3", "mistralai", "fastapi")
    assert vars(cohere.client.Client) == original
    assert {*ALIASES.values()} <= CLIENTS.keys()
