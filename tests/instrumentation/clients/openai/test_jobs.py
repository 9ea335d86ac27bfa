"""Films, training, evaluations, runs and containers of the real SDK, begun and asked for later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

import costmeter
from costmeter.instrumentation.clients import begun, call
from costmeter.instrumentation.clients.openai.jobs import KINDS, JobReader, asked, beginning
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.answering import RESPONSES
from tests.standins.openai_begun import create_app

# The SDK warns of interfaces whose days are counted, Sora and the assistants; Azure has them still.
pytestmark = pytest.mark.filterwarnings("ignore:The .* API is :DeprecationWarning")

FILM, TRAINING, EVALUATION, RUN, CONTAINER = KINDS
FILM_DONE = (
    "video_generation",
    "sora-2-pro",
    {"output_video_seconds": 8},
    "",
    "ok",
    "openai/video_68e688512950819083848ee48b2e98a1",
)
TRAINED = (
    "fine_tuning",
    "gpt-4.1-mini-2025-04-14-training",
    {"training_tokens": 1_250_000},
    "",
    "ok",
    "openai/ftjob-abc123",
)
RUN_DONE = (
    "chat",
    "gpt-4o-2024-08-06",
    {"input_tokens": 123, "output_tokens": 456},
    "",
    "ok",
    "openai/run_abc123",
)
EVALUATED = [
    (
        "evaluation",
        "gpt-4.1-mini-2025-04-14",
        {"input_tokens": 3000, "cache_read_tokens": 1024, "output_tokens": 400},
        "",
        "ok",
        "openai/evalrun_67abd54d60ec8190832b46859da808f7",
    ),
    (
        "evaluation",
        "o4-mini-2025-04-16",
        {"input_tokens": 5000, "output_tokens": 900},
        "",
        "ok",
        "openai/evalrun_67abd54d60ec8190832b46859da808f7#0",
    ),
]
NAME = "cntr_682dfebaacac8198bbfe9c2474fb6f4a085685cbe3cb5863"
STARTED = (
    "execute_tool",
    "container",
    {"container_sessions": 1},
    "4g",
    "ok",
    f"openai/{NAME}",
)
EVAL = {"eval_id": "eval_1"}
THREAD = {"thread_id": "thread_1"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield f"{url}/v1"


@pytest.fixture(autouse=True)
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("openai", providers={server: "openai"})
    yield
    costmeter.uninstrument()
    begun.forget()


@pytest.fixture
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="key", base_url=server, max_retries=0, timeout=5) as client:
        yield client


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    return [
        (each.operation, each.model, each.usage, each.service_tier, each.status, each.identity)
        for each in recorded()
    ]


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((RESPONSES / "openai_begun" / name).read_bytes())
    return found


Ask = Callable[[openai.OpenAI], object]


@pytest.mark.parametrize(
    ("begins", "asks", "expected"),
    [
        (
            lambda client: client.videos.create(prompt="A coin", model="sora-2-pro"),
            lambda client: client.videos.retrieve("video_1"),
            [FILM_DONE],
        ),
        (
            lambda client: client.videos.remix("video_1", prompt="Another coin"),
            lambda client: client.videos.poll("video_1"),
            [FILM_DONE],
        ),
        (
            lambda client: client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file="f"),
            lambda client: client.fine_tuning.jobs.retrieve("ftjob-abc123"),
            [TRAINED],
        ),
        (
            lambda client: client.evals.runs.create("eval_1", data_source={}),  # type: ignore[arg-type]
            lambda client: client.evals.runs.retrieve("evalrun_1", **EVAL),
            EVALUATED,
        ),
        (
            lambda client: client.beta.threads.runs.create("thread_1", assistant_id="asst_1"),
            lambda client: client.beta.threads.runs.retrieve("run_1", **THREAD),
            [RUN_DONE],
        ),
    ],
    ids=["film", "remix", "training", "evaluation", "run"],
)
def test_work_counts_when_it_is_over_for_whom_it_was_begun(
    client: openai.OpenAI,
    recorded: Recorded,
    begins: Ask,
    asks: Ask,
    expected: list[tuple[Any, ...]],
) -> None:
    with costmeter.attribute(feature="studio"):
        begins(client)
    assert recorded() == []
    asks(client)
    events = recorded()
    assert {tuple(each.attributes.items()) for each in events} == {(("feature", "studio"),)}
    asks(client)
    assert told(recorded) == expected
    assert [each.identity for each in events] == [each[-1] for each in expected]


async def test_by_asyncio_and_as_raw_responses_too(server: str, recorded: Recorded) -> None:
    async with openai.AsyncOpenAI(api_key="key", base_url=server) as client:
        await client.videos.create_and_poll(prompt="A coin", model="sora-2-pro")
        assert told(recorded) == [FILM_DONE]
        await client.fine_tuning.jobs.with_raw_response.retrieve("ftjob-abc123")
        assert told(recorded) == [TRAINED]
        await client.containers.create(name="python")
        assert told(recorded) == [STARTED]


def test_a_run_that_streams_counts_at_its_end(client: openai.OpenAI, recorded: Recorded) -> None:
    with client.beta.threads.runs.stream(**THREAD, assistant_id="asst_1") as stream:
        stream.until_done()
    assert told(recorded) == [RUN_DONE]
    with client.beta.threads.runs.create(**THREAD, assistant_id="asst_1", stream=True) as events:
        next(iter(events))
    assert recorded() == []  # it goes on
    client.beta.threads.runs.submit_tool_outputs(
        "run_abc123", **THREAD, tool_outputs=[], stream=True
    ).response.read()
    assert told(recorded) == [RUN_DONE]


def test_work_that_is_called_off_counts_as_far_as_it_is_told(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    client.fine_tuning.jobs.cancel("ftjob-abc123")
    client.beta.threads.runs.cancel("run_abc123", **THREAD)
    assert told(recorded) == [
        (*TRAINED[:2], {"training_tokens": 250_000}, "", "cancelled", TRAINED[-1]),
        (*RUN_DONE[:2], {}, "", "cancelled", RUN_DONE[-1]),
    ]


def test_a_film_costs_its_seconds_once(
    client: openai.OpenAI, recorded: Recorded, tmp_path: Path
) -> None:
    client.videos.retrieve("video_1")
    client.videos.retrieve("video_1")
    events = recorded()
    then = 1_759_938_900 * 10**9  # in October 2025, while it could be asked for
    dated = [msgspec.structs.replace(event, time_ns=then) for event in events]
    assert spent(tmp_path / "ledger.db", dated) == 8 * 300_000_000


def test_a_container_counts_once_with_the_responses_that_use_it(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    client.containers.create(name="python", memory_limit="4g")
    assert told(recorded) == [STARTED]
    answered = {"extra_headers": {"x-standin-body": "../openai/response_tools.json"}}
    client.responses.create(model="gpt-4.1", input="What?", background=True, **answered)
    events = recorded()
    assert [(each.model, each.calls, each.requests) for each in events] == [
        ("gpt-4.1-2025-04-14", 1, 1),
        ("file_search", 0, 0),
        ("container", 0, 0),
        ("gpt-image-1.5", 0, 0),
    ]
    assert (events[2].service_tier, events[2].identity) == ("4g", f"openai/{NAME}")


def test_the_gate_is_asked_before_work_begins_and_not_where_it_is_asked_for(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted = []

    class Noting:
        def admit(self, call: call.Call, *_: object, **__: object) -> None:
            admitted.append((call.operation, call.model))

    monkeypatch.setattr(call, "gate", Noting())
    client.videos.create(prompt="A coin", model="sora-2-pro")
    client.videos.retrieve("video_1")
    client.fine_tuning.jobs.retrieve("ftjob-abc123")
    client.fine_tuning.jobs.cancel("ftjob-abc123")
    client.containers.create(name="python")
    assert admitted == [("video_generation", "sora-2-pro"), ("execute_tool", "")]


@pytest.mark.parametrize(("days", "over"), [(29, True), (31, False)])
def test_training_that_is_looked_at_long_after_its_end_does_not_count_anew(
    days: int, over: bool
) -> None:
    ended = int(time.time()) - days * 86_400
    begun_at = {"created_at": ended - 40 * 86_400}
    reading = JobReader(TRAINING).read(body("job.json") | begun_at | {"finished_at": ended})
    assert reading.over is over


def test_a_larger_film_counts_its_size_as_the_service_tier() -> None:
    reading = JobReader(FILM).read(body("video.json") | {"size": "1024x1792", "seconds": 12})
    assert (reading.usage, reading.service_tier) == ({"output_video_seconds": 12}, "1024x1792")


def test_reinforcement_is_billed_by_time_and_has_no_price_by_tokens() -> None:
    reading = JobReader(TRAINING).read(body("job.json") | {"method": {"type": "reinforcement"}})
    assert reading.service_tier == "reinforcement"


def test_a_film_that_failed_costs_nothing() -> None:
    reading = JobReader(FILM).read(body("video_failed.json"))
    assert (reading.usage, reading.status) == (None, "server_error")


@pytest.mark.parametrize("kind", [FILM, TRAINING, EVALUATION, RUN], ids=lambda kind: kind.operation)
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"status": 7, "id": 3, "usage": "no"}'])
def test_what_is_no_such_work_tells_nothing(kind: Any, content: bytes) -> None:
    reading = JobReader(kind).read_json(content)
    assert not getattr(reading, "over", False)
    assert reading.usage is None


@pytest.mark.parametrize(
    ("method", "path", "begins", "asks"),
    [
        ("post", "/videos", FILM, None),
        ("post", "/videos/video_1/remix", FILM, FILM),
        ("get", "/videos/video_1", None, FILM),
        ("get", "/videos", None, None),
        ("get", "/videos/video_1/content", None, None),
        ("delete", "/videos/video_1", None, None),
        ("post", "/fine_tuning/jobs", TRAINING, None),
        ("post", "/fine_tuning/jobs/ftjob-1/cancel", None, TRAINING),
        ("get", "/fine_tuning/jobs/ftjob-1/events", None, None),
        ("post", "/evals/eval_1/runs", EVALUATION, None),
        ("get", "/evals/eval_1/runs/run_1", None, EVALUATION),
        ("get", "/evals/eval_1/runs/run_1/output_items", None, None),
        ("post", "/threads/runs", RUN, None),
        ("post", "/threads/thread_1/runs", RUN, None),
        ("get", "/threads/thread_1/runs/run_1", None, RUN),
        ("post", "/threads", None, None),
        ("post", "/containers", CONTAINER, None),
        ("get", "/containers/cntr_1", None, None),
        ("post", "/containers/cntr_1/files", None, None),
    ],
)
def test_which_requests_begin_work_and_which_ask_for_it(
    method: str, path: str, begins: object, asks: object
) -> None:
    assert beginning(method, path) is begins
    assert asked(method, path) is asks
