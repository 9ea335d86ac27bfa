"""One SDK of the contract, its provider's stand-in, and a way to ask it, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from inspect import isawaitable
from typing import Any

import pytest

import costmeter
from costmeter.instrumentation import tokens
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.contract.subjects import SUBJECTS, Subject


class Asking:
    """Asks by the sync or by the async client of an SDK."""

    def __init__(self, subject: Subject, url: str, *, asynchronous: bool) -> None:
        self._subject = subject
        self._url = url
        self._asynchronous = asynchronous
        self._open = AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> Asking:
        if self._asynchronous:
            opened = self._subject.opened_async(self._url)
            self._client = await self._open.enter_async_context(opened)
        else:
            self._client = self._open.enter_context(self._subject.opened(self._url))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def ask(self, fault: str = "", *, stream: bool = False) -> Any:
        """Ask, and read the answer to its end."""
        answer = await self._ask(fault, stream=stream)
        while stream and await self.read(answer):
            pass
        return answer

    async def begin(self, fault: str = "") -> Any:
        """Ask for a stream, and read its first event."""
        stream = await self._ask(fault, stream=True)
        assert await self.read(stream)
        return stream

    async def read(self, stream: Any) -> bool:
        """Read the next event of a stream, and return whether there was one."""
        end = object()
        if self._asynchronous:
            return await anext(aiter(stream), end) is not end
        return next(iter(stream), end) is not end

    async def leave(self, stream: Any) -> None:
        """Leave a stream before its end, in the way that its kind has."""
        if hasattr(stream, "__aexit__"):
            await stream.__aexit__(None, None, None)
        elif hasattr(stream, "__exit__"):
            stream.__exit__(None, None, None)
        elif self._asynchronous:
            await stream.aclose()
        else:
            stream.close()

    async def _ask(self, fault: str, *, stream: bool) -> Any:
        headers = {"x-standin-fault": fault} if fault else {}
        answer = self._subject.ask(
            self._client, headers, stream=stream, asynchronous=self._asynchronous
        )
        return await answer if isawaitable(answer) else answer


@pytest.fixture(scope="module", params=SUBJECTS, ids=str)
def subject(request: pytest.FixtureRequest) -> Subject:
    """An SDK."""
    return request.param


@pytest.fixture(scope="module")
def server(subject: Subject) -> Iterator[str]:
    """The address of the stand-in for the SDK's provider."""
    with serving(subject.app()) as url:
        yield url


@pytest.fixture
def metered(
    subject: Subject, server: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as its provider; no tokens are counted here."""
    monkeypatch.setattr(tokens, "available", lambda: False)  # as without costmeter[tokens]
    costmeter.instrument(subject.name, providers={server: subject.provider})
    yield
    costmeter.uninstrument()


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """By which of the SDK's clients is asked."""
    return request.param


@pytest.fixture
async def asking(
    subject: Subject, server: str, metered: None, asynchronous: bool
) -> AsyncIterator[Asking]:
    """Asks the stand-in."""
    async with Asking(subject, server, asynchronous=asynchronous) as asking:
        yield asking
