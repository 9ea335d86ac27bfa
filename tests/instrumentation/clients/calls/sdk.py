"""What the page about SDKs is made of: their clients, and the calls of these as a user types them.

The calls of each SDK are in a module of its name here. ``test_calls.py`` makes every one of them,
and ``docs/sdks.md`` is made of the same list by those that have passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from operator import attrgetter
from typing import Any

FREE = "These cost nothing by themselves"
BILLED = "**Not metered**, though they cost money, or lead to what does"
UNTRIED = "**Not metered**, and not tried here, since they speak over WebSockets"
"""Why calls are not metered: as the page says it."""


class Way(Enum):
    """How an answer is asked for and read; the value heads a column of the page."""

    AT_ONCE = "at once"
    STREAM = "as a stream"
    RAW = "`with_raw_response`"
    READ = "`with_streaming_response`"


@dataclass(frozen=True)
class Seen:
    """What an event says; one of another model or tool that took part counts as no call."""

    operation: str
    model: str
    usage: Mapping[str, int]
    status: str = "ok"
    calls: int = 1


@dataclass(frozen=True)
class Call:
    """A call, as it is typed behind a client.

    Attributes:
        name: the path of the method.
        asked: its arguments.
        seen: its events: one, except for the results of a batch; none where it is not metered.
        ways: how it can be made; none where it is not tried.
        streamed: the events of it as a stream, where they are others.
        find: returns the method of a client, where its name alone does not lead there.
    """

    name: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    seen: Sequence[Seen] = ()
    ways: Sequence[Way] = (Way.AT_ONCE,)
    streamed: Sequence[Seen] = ()
    find: Callable[[Any], Callable[..., Any]] | None = None


def by_name(client: Any, call: Call, way: Way, *, asynchronous: bool) -> Callable[..., Any]:
    """Return the method that a call's name leads to."""
    return call.find(client) if call.find else attrgetter(call.name)(client)


@dataclass(frozen=True)
class Client:
    """The clients of an SDK that call one provider, sync and async.

    Attributes:
        name: their names, as a user types them.
        provider: what their calls count for.
        serve: serves the stand-in for it, and yields its address.
        opened: opens the sync client of an address, opened_async the one for asyncio; None where
            the SDK has no such client.
        metered: the calls that are metered.
        unmetered: the calls that are not, by the reason.
        method: finds the method to call.
        told: whether the address is told to be the provider's.
    """

    name: str
    provider: str
    serve: Callable[[], AbstractContextManager[Standin]]
    opened: Callable[[str], AbstractContextManager[Any]] | None
    opened_async: Callable[[str], AbstractAsyncContextManager[Any]] | None
    metered: Sequence[Call]
    unmetered: Mapping[str, Sequence[Call]] = field(default_factory=dict)
    method: Callable[..., Callable[..., Any]] = by_name
    told: bool = True


@dataclass(frozen=True)
class Sdk:
    """An SDK.

    Attributes:
        name: of its package, as it is installed.
        instrumented: what ``instrument`` is told to meter.
        clients: its clients.
        beside: other packages whose versions matter.
    """

    name: str
    instrumented: Sequence[str]
    clients: Sequence[Client]
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Standin:
    """A stand-in that is being served: its address, and the paths that it was asked for."""

    url: str
    asked: list[str]


@dataclass(frozen=True)
class Case:
    """One call to be made, by the sync or by the async client, in each of its ways."""

    sdk: Sdk
    client: Client
    call: Call
    asynchronous: bool

    def __str__(self) -> str:
        kind = "async" if self.asynchronous else "sync"
        client = self.client.name.split("`")[1]
        return f"{client}.{self.call.name}-{self.client.provider}-{kind}"

    def made(self, client: Any, way: Way) -> Any:
        """Make the call in a way, and return what an open client answers."""
        find = self.client.method
        method = find(client, self.call, way, asynchronous=self.asynchronous)
        return method(**self.call.asked)

    def seen(self, way: Way) -> list[Seen]:
        """Return the events that the call makes in a way."""
        return list((way is Way.STREAM and self.call.streamed) or self.call.seen)


def sdk_of(name: str) -> Sdk:
    """Return an SDK by its module here and, where that has several, its name in it."""
    module, _, attribute = name.partition(":")
    found = import_module(f"tests.instrumentation.clients.calls.{module}")
    return getattr(found, attribute or "SDK")


def cases(sdk: Sdk) -> Iterator[Case]:
    """Yield every call of an SDK, each that is not metered once."""
    for client in sdk.clients:
        kinds = [kind for kind in (False, True) if (client.opened, client.opened_async)[kind]]
        for call in client.metered:
            yield from (Case(sdk, client, call, kind) for kind in kinds)
        for calls in client.unmetered.values():
            yield from (Case(sdk, client, call, kinds[0]) for call in calls if call.ways)
