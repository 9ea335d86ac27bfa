"""What is promised of the SDKs themselves: metering leaves them as they were, and can be undone."""

from __future__ import annotations

import functools
import inspect
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import costmeter
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.contract.conftest import Asking
from tests.instrumentation.clients.contract.subjects import Subject


def methods(subject: Subject) -> list[Any]:
    """Return the methods that an SDK's classes have now."""
    return [vars(owner)[name] for owner, name in subject.seams]


def test_signatures_and_kinds_stay_and_the_very_methods_come_back(subject: Subject) -> None:
    before = methods(subject)
    costmeter.instrument(subject.name)
    try:
        for metered, original in zip(methods(subject), before, strict=True):
            assert metered is not original
            assert inspect.signature(metered) == inspect.signature(original)
            assert inspect.iscoroutinefunction(metered) == inspect.iscoroutinefunction(original)
            assert metered.__qualname__ == original.__qualname__
    finally:
        costmeter.uninstrument()
    assert methods(subject) == before


def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method as another library wraps it."""

    @functools.wraps(method)
    def wrapper(*args: Any, **named: Any) -> Any:
        return method(*args, **named)

    return wrapper


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_where_another_library_has_wrapped_us_since_calls_pass_on_unmetered(
    subject: Subject,
    server: str,
    recorded: Recorded,
    asynchronous: bool,
    stream: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for (owner, name), original in zip(subject.seams, methods(subject), strict=True):
        monkeypatch.setattr(owner, name, original)  # what comes back at the end
    costmeter.instrument(subject.name)
    wrappers = [wrapped(metered) for metered in methods(subject)]
    for (owner, name), wrapper in zip(subject.seams, wrappers, strict=True):
        setattr(owner, name, wrapper)
    async with Asking(subject, server, asynchronous=asynchronous) as asking:
        await asking.ask(stream=stream)
        costmeter.uninstrument()
        assert methods(subject) == wrappers
        await asking.ask(stream=stream)
    assert len(recorded()) == 1


def test_an_sdk_that_is_not_made_as_it_was_is_left_alone(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def otherwise(self: object) -> None:
        """Take other parameters than those known."""

    owner, name = subject.seams[0]
    monkeypatch.setattr(owner, name, otherwise)
    before = methods(subject)
    with caplog.at_level(logging.WARNING, "costmeter"):
        costmeter.instrument(subject.name)
    try:
        assert f"does not meter {subject.name}" in caplog.text
        assert methods(subject) == before
    finally:
        costmeter.uninstrument()


def test_the_sdk_is_not_imported_for_us_and_metered_where_it_is_imported_later(
    subject: Subject,
) -> None:
    script = f"""
import sys, costmeter
costmeter.instrument()
assert "{subject}" not in sys.modules
{subject.late}
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
