"""No error of costmeter's own crosses the line."""

from __future__ import annotations

import pytest

from costmeter.instrumentation import boundary


def fail(message: str) -> None:
    raise LookupError(message)


def test_what_succeeds_returns_its_result(recorded):
    assert boundary.attempt(divmod, 7, 3, default=None) == (2, 1)
    assert recorded.errors() == 0


def test_what_fails_returns_the_default_and_is_counted(recorded, caplog):
    assert boundary.attempt(fail, "odd", default=42) == 42
    assert recorded.errors() == 1
    [told] = caplog.records
    assert told.message.startswith("LookupError: odd (the application goes on")


def test_the_same_error_is_told_once_and_counted_each_time(recorded, caplog):
    for _ in range(5):
        boundary.attempt(fail, "odd", default=None)
    boundary.attempt(fail, "odder", default=None)
    assert recorded.errors() == 6
    assert len(caplog.records) == 2


def test_what_is_told_is_bounded_and_what_is_counted_is_not(recorded, caplog, monkeypatch):
    monkeypatch.setattr(boundary, "_MOST_TOLD", 3)
    for number in range(10):
        boundary.attempt(fail, f"odd {number}", default=None)
    assert recorded.errors() == 10
    assert len(caplog.records) == 3


def test_a_note_is_counted_and_told_once(recorded, caplog):
    boundary.note("a strange answer")
    boundary.note("a strange answer")
    assert recorded.errors() == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_application_passes_through(ending, recorded):
    def end() -> None:
        raise ending

    with pytest.raises(ending):
        boundary.attempt(end, default=None)
    assert recorded.errors() == 0


def test_a_spared_function_keeps_its_name_and_swallows_its_errors(recorded):
    spared = boundary.spared(fail)
    assert spared.__name__ == "fail"
    assert spared("odd") is None
    assert recorded.errors() == 1


def test_errors_are_spared_where_there_is_no_journal_either(tmp_path, recorded, monkeypatch):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(tmp_path / "nowhere"))
    assert boundary.attempt(fail, "odd", default=1) == 1
