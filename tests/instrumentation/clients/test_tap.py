"""A tap on a real response: what its watcher reads, and when."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.reading import Reading
from costmeter.instrumentation.clients.tap import Tap
from tests.instrumentation.clients.conftest import Recorded

PIECES = [b"%d," % number for number in range(150)]


class Watcher:
    """Keeps what it is fed; the body is complete with its last piece."""

    def __init__(self) -> None:
        self.fed: list[bytes] = []

    @property
    def complete(self) -> bool:
        return b"".join(self.fed).endswith(PIECES[-1])

    @complete.setter
    def complete(self, value: bool) -> None:
        raise AssertionError

    def feed(self, chunk: bytes) -> bytes:
        self.fed.append(chunk)
        return chunk

    def flush(self) -> bytes:
        return b""

    def reading(self) -> Reading:
        return Reading(usage={"output_tokens": len(b"".join(self.fed))})


@pytest.fixture
def response() -> Iterator[httpx2.Response]:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=iter(PIECES)))
    with (
        httpx2.Client(transport=transport) as client,
        client.stream("GET", "http://provider") as response,
    ):
        yield response


def tap(response: httpx2.Response, *, later: bool, streams: bool = True) -> Watcher:
    watcher = Watcher()
    call = Call(operation="chat", provider="p", model="m")
    Tap(response, watcher, call, later=later, streams=streams)
    return watcher


def test_a_watcher_that_may_keep_something_reads_each_piece_before_the_caller(
    response: httpx2.Response, recorded: Recorded
) -> None:
    watcher = tap(response, later=False)

    for number, piece in enumerate(response.iter_bytes()):
        assert watcher.fed[-1] == piece == PIECES[number]


def test_a_watcher_that_keeps_nothing_reads_many_pieces_together_and_all_by_the_end(
    response: httpx2.Response, recorded: Recorded
) -> None:
    watcher = tap(response, later=True)

    assert list(response.iter_bytes()) == PIECES

    whole = b"".join(PIECES)
    assert b"".join(watcher.fed) == whole
    assert len(watcher.fed) == 3  # 64 pieces, 64 and 22
    (event,) = recorded()
    assert (event.status, event.usage) == ("ok", {"output_tokens": len(whole)})


def test_what_the_caller_has_seen_by_the_time_it_closes_is_read(
    response: httpx2.Response, recorded: Recorded
) -> None:
    watcher = tap(response, later=True)
    pieces = response.iter_bytes()

    seen = [next(pieces) for _ in range(3)]
    response.close()

    assert watcher.fed == [b"".join(seen)]
    (event,) = recorded()
    assert (event.status, event.usage) == ("cancelled", {"output_tokens": 6})


@pytest.mark.parametrize("later", [False, True])
def test_the_first_piece_is_timed_and_no_other(
    response: httpx2.Response, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, later: bool
) -> None:
    clock = iter((1_000, 1_250, 9_000))  # the call starts, its first piece is here, it has ended
    monkeypatch.setattr("costmeter.instrumentation.clients.call.monotonic_ns", lambda: next(clock))
    call = Call(operation="chat", provider="p", model="m", _started_ns=next(clock))
    Tap(response, Watcher(), call, later=later)

    list(response.iter_bytes())

    (event,) = recorded()
    assert (event.first_chunk_ns, event.duration_ns) == (250, 8_000)


def test_a_body_that_is_no_stream_has_no_first_piece(
    response: httpx2.Response, recorded: Recorded
) -> None:
    tap(response, later=True, streams=False)

    list(response.iter_bytes())

    (event,) = recorded()
    assert event.first_chunk_ns == 0
