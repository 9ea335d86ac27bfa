"""Work that goes on after its request was answered: recorded once it is over, for who began it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import costmeter
from costmeter.instrumentation.clients import begun
from costmeter.instrumentation.clients.begun import Asking, Beginning, Told
from costmeter.instrumentation.clients.reading import Reading, Share
from tests.instrumentation.clients.conftest import Recorded

UNDER_WAY = Told(name="film/1")
OVER = Told(usage={"images": 2}, model="film-1.5", service_tier="4k", name="film/1", over=True)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    begun.forget()


def begin(told: Reading = UNDER_WAY, status: str = "ok") -> None:
    """Begin a piece of work, whose answer tells something."""
    Beginning("video_generation", "studio", "film-1", reservation="r-1").end(status, lambda: told)


def ask(told: Reading, provider: str = "studio") -> None:
    """Ask for it."""
    Asking("video_generation", provider, "film-1", reservation="").end("ok", lambda: told)


def test_work_is_recorded_for_who_began_it_when_it_is_over(recorded: Recorded) -> None:
    with costmeter.attribute(feature="trailer"):
        begin()
    ask(UNDER_WAY)
    assert recorded() == []
    with costmeter.attribute(feature="poll"):
        ask(OVER)
    (event,) = recorded()
    assert (event.operation, event.provider, event.model) == (
        "video_generation", "studio", "film-1.5",
    )  # fmt: skip
    assert (event.usage, event.service_tier, event.status) == ({"images": 2}, "4k", "ok")
    assert (event.attributes, event.reservation) == ({"feature": "trailer"}, "r-1")
    assert (event.identity, event.calls, event.requests) == ("studio/film/1", 1, 1)


def test_work_that_is_asked_for_again_has_the_same_identity(recorded: Recorded) -> None:
    begin()
    ask(OVER)
    ask(OVER)
    first, second = recorded()
    assert first.identity == second.identity == "studio/film/1"


def test_work_that_was_begun_elsewhere_counts_for_who_asks(recorded: Recorded) -> None:
    begin()
    with costmeter.attribute(feature="poll"):
        ask(OVER, provider="another")
    (event,) = recorded()
    assert (event.attributes, event.reservation) == ({"feature": "poll"}, "")
    assert event.identity == "another/film/1"


def test_work_that_is_over_at_once_is_recorded_at_once(recorded: Recorded) -> None:
    begin(OVER)
    (event,) = recorded()
    assert (event.usage, event.identity, event.reservation) == (
        {"images": 2}, "studio/film/1", "r-1",
    )  # fmt: skip
    assert event.duration_ns > 0


def test_a_request_that_fails_is_a_call_that_failed(recorded: Recorded) -> None:
    Beginning("video_generation", "studio", "film-1").end("rate_limited")
    (event,) = recorded()
    assert (event.status, event.usage, event.identity) == ("rate_limited", {}, "")


def test_a_request_that_fails_counts_for_the_model_that_answered_before(
    recorded: Recorded,
) -> None:
    begin(OVER)
    Beginning("video_generation", "studio", "film-1").end("rate_limited")
    assert [event.model for event in recorded()] == ["film-1.5", "film-1.5"]


def test_an_answer_that_names_no_work_is_a_call_of_its_own(recorded: Recorded) -> None:
    begin(Reading(usage={"images": 1}))
    (event,) = recorded()
    assert (event.usage, event.identity) == ({"images": 1}, "")


def test_work_whose_stream_breaks_off_goes_on_and_its_end_can_be_asked_for(
    recorded: Recorded,
) -> None:
    begin(status="incomplete")
    assert recorded() == []
    ask(OVER)
    assert [(event.status, event.usage) for event in recorded()] == [("ok", {"images": 2})]


def test_what_other_models_did_is_told_apart(recorded: Recorded) -> None:
    sound = Share("sound-1", {"input_characters": 9}, service_tier="4k " * 100)
    ask(OVER._replace(others=(sound,), odd=("a surprise",)))
    _, other = recorded()
    assert len(other.service_tier) == 128
    assert (other.model, other.usage, other.calls) == ("sound-1", {"input_characters": 9}, 0)
    assert other.identity == "studio/film/1#0"


def test_asking_costs_nothing_and_an_answer_that_tells_nothing_is_no_call(
    recorded: Recorded,
) -> None:
    ask(Reading())
    Asking("video_generation", "studio", "").end("not_found")
    assert recorded() == []
    assert not Asking.costs
    assert Beginning.costs


def test_no_more_is_remembered_than_fits(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun, "MOST", 1)
    begin()
    begin(UNDER_WAY._replace(name="film/2"))
    assert begun.work_of("studio", "film/1") is None
    assert begun.work_of("studio", "film/2") is not None
    assert recorded() == []
