"""A call from its start to its event, read back from a real journal."""

from __future__ import annotations

import pytest

import costmeter
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.reading import Reading, Share
from tests.instrumentation.clients.conftest import Recorded


def started(model: str = "gpt-4o") -> Call:
    return Call(operation="chat", provider="openai", model=model)


def read(body: dict[str, int]) -> Reading:
    return Reading(usage=body, model="gpt-4o-2024-08-06")


def test_a_call_begins_with_what_it_is_asked_for() -> None:
    call = begin(started, "gpt-4o-mini")

    assert call is not None
    assert call.model == "gpt-4o-mini"


def test_a_call_that_cannot_begin_is_not_metered_and_the_application_goes_on() -> None:
    assert begin(lambda asked: started(asked["model"]), {}) is None


def test_a_call_is_recorded_once_with_what_its_answer_tells(recorded: Recorded) -> None:
    call = started()

    call.end("ok", read, {"input_tokens": 7})
    call.end("cancelled")
    call.fail(ValueError())

    (event,) = recorded()
    assert (event.model, event.usage, event.status) == (
        "gpt-4o-2024-08-06",
        {"input_tokens": 7},
        "ok",
    )


def test_a_call_whose_answer_cannot_be_read_counts_all_the_same(recorded: Recorded) -> None:
    started().end("ok", read)  # without the answer

    (event,) = recorded()
    assert (event.calls, event.model, event.usage) == (1, "gpt-4o", {})


@pytest.mark.parametrize(
    ("error", "status"), [(TimeoutError(), "timeout"), (KeyboardInterrupt(), "cancelled")]
)
def test_a_call_that_fails_has_the_status_of_its_error(
    error: BaseException, status: str, recorded: Recorded
) -> None:
    started("model-of-failures").fail(error)

    (event,) = recorded()
    assert (event.model, event.status) == ("model-of-failures", status)


def test_a_call_counts_for_whom_it_began_with_the_models_that_took_part(
    recorded: Recorded,
) -> None:
    with costmeter.attribute(team="search"):
        call = started()
    advice = Share(model="advisor", usage={"input_tokens": 3})

    call.end("ok", lambda: Reading(usage={}, model="m", others=(advice,)))

    own, other = recorded()
    assert own.attributes == other.attributes == {"team": "search"}
    assert (own.calls, own.model) == (1, "m")
    assert (other.calls, other.requests, other.model, other.usage) == (
        0,
        0,
        "advisor",
        {"input_tokens": 3},
    )
