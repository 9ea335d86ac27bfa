"""The journal that the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from costmeter.journal import process
from costmeter.journal.writer import JournalWriter


@pytest.fixture(autouse=True)
def _unopened() -> Iterator[None]:
    process.reset()
    yield
    process.reset()


def test_the_environment_is_read_at_the_first_event(directory, monkeypatch, read_all):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    assert process.journal.write(b"[1]")
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory / "elsewhere"))
    assert process.journal.write(b"[2]")
    assert read_all().payloads == [b"[1]", b"[2]"]


def test_a_reset_closes_the_journal_and_reads_the_environment_again(
    directory, monkeypatch, read_all
):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    process.journal.write(b"[1]")
    process.reset()
    assert read_all().payloads == [b"[1]"]
    assert list(directory.iterdir()) == []
    process.journal.write(b"[2]")
    assert read_all().payloads == [b"[2]"]


def test_the_directory_and_the_limit_have_defaults(monkeypatch):
    monkeypatch.delenv("COSTMETER_JOURNAL", raising=False)
    monkeypatch.delenv("COSTMETER_JOURNAL_LIMIT", raising=False)
    monkeypatch.setattr(JournalWriter, "write", lambda *_: True)
    process.journal.write(b"[1]")
    assert isinstance(process.journal, JournalWriter)
    assert process.journal.directory == Path("/var/lib/costmeter/journal")
    assert process.journal.limit_bytes == 1_073_741_824


@pytest.mark.parametrize(
    ("text", "limit", "told"),
    [("5000000", 5_000_000, 0), ("1GiB", 1 << 30, 1), ("0", 1 << 30, 1), ("-5", 1 << 30, 1)],
)
def test_a_limit_that_is_no_number_of_bytes_is_told_and_not_used(
    text, limit, told, directory, monkeypatch, caplog
):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    monkeypatch.setenv("COSTMETER_JOURNAL_LIMIT", text)
    process.journal.write(b"[1]")
    assert isinstance(process.journal, JournalWriter)
    assert process.journal.limit_bytes == limit
    assert len(caplog.records) == told
    assert all(repr(text) in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("value", "records"), [("1", False), ("yes", False), ("0", True), ("", True)]
)
def test_recording_can_be_disabled(value, records, directory, monkeypatch):
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    monkeypatch.setenv("COSTMETER_DISABLED", value)
    assert process.journal.write(b"[1]") is records
    assert process.journal.write(b"[2]") is records
    process.journal.count_error()
    assert bool(list(directory.iterdir())) is records
