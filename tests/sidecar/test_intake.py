from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import httpx2
import pytest

from costmeter.errors import LedgerError
from costmeter.sidecar import body, intake
from costmeter.sidecar.app import create_app
from costmeter.sidecar.config import IntakeConfig
from costmeter.sidecar.handover import Receipt
from costmeter.sidecar.web import WebConfig
from tests.sidecar.server import FakePipeline, client_of, serving

EVENT = {"provider": "openai", "model": "gpt-4o-mini", "usage": {"output_tokens": 5}}
JSON = {"content-type": "application/json"}


def batch(sequence: int = 12, **fields: Any) -> dict[str, Any]:
    return {"source": "worker-3", "sequence": sequence, "events": [EVENT | fields]}


def client(pipeline: FakePipeline, **limits: Any):
    return client_of(create_app(pipeline, WebConfig(), intake=IntakeConfig(**limits)))


async def test_a_batch_is_accepted_once_the_ledger_has_it(pipeline: FakePipeline) -> None:
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", json=batch())

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicate": False})
    [(source, sequence, [event])] = pipeline.submitted
    assert (source, sequence, event.model) == ("worker-3", 12, "gpt-4o-mini")
    assert event.usage == {"output_tokens": 5}


async def test_a_batch_that_is_sent_again_is_answered_and_not_added(
    pipeline: FakePipeline,
) -> None:
    async with client(pipeline) as http:
        await http.post("/v1/events", json=batch())
        answer = await http.post("/v1/events", json=batch())

    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "duplicate": True})
    assert len(pipeline.submitted) == 1


async def test_a_batch_with_problems_is_refused_whole(pipeline: FakePipeline) -> None:
    body = batch()
    body["events"] += [EVENT | {"usage": {"output_tokens": -5}}, EVENT | {"calls": "x"}]
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", json=body)

    assert answer.status_code == 400
    assert answer.json() == {
        "errors": [
            "events[1].usage.output_tokens: -5 is not 0 or more",
            'events[2].calls: "x" is not a whole number',
        ]
    }
    assert pipeline.submitted == []
    assert pipeline.refused == [("invalid", 3)]


async def test_a_compressed_body_is_inflated(pipeline: FakePipeline) -> None:
    body = gzip.compress(json.dumps(batch()).encode())
    async with client(pipeline) as http:
        answer = await http.post(
            "/v1/events", content=body, headers=JSON | {"content-encoding": "gzip"}
        )

    assert answer.status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip",
        gzip.compress(b"{}", mtime=0)[:-4],
        gzip.compress(b"{}", mtime=0) + b"more",
        gzip.compress(b"{}", mtime=0) * 2,
        b"",
    ],
)
async def test_a_body_that_is_not_one_gzip_stream_is_refused(
    pipeline: FakePipeline, body: bytes
) -> None:
    async with client(pipeline) as http:
        answer = await http.post(
            "/v1/events", content=body, headers=JSON | {"content-encoding": "gzip"}
        )

    assert answer.status_code == 400
    assert "gzip" in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b" " * 1025, "identity"),
        (gzip.compress(b" " * 100_000, mtime=0), "gzip"),  # 100 bytes that become 100,000
        (gzip.compress(bytes(range(256)) * 8, 0, mtime=0), "gzip"),
    ],
)
async def test_a_body_over_the_limit_is_refused(
    pipeline: FakePipeline, body: bytes, encoding: str
) -> None:
    async with client(pipeline, max_body_bytes=1024) as http:
        answer = await http.post(
            "/v1/events", content=body, headers=JSON | {"content-encoding": encoding}
        )

    assert answer.status_code == 413
    assert answer.json() == {"errors": ["the body has more than 1024 bytes"]}
    assert pipeline.refused == [("too_large", 1)]


async def test_a_gzip_bomb_of_many_chunks_is_given_up_early(pipeline: FakePipeline) -> None:
    compressor = zlib.compressobj(wbits=31)
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            yield compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_SYNC_FLUSH)
            sent += 1

    async with client(pipeline, max_body_bytes=2048) as http:
        answer = await http.post(
            "/v1/events", content=chunks(), headers=JSON | {"content-encoding": "gzip"}
        )

    assert answer.status_code == 413


async def test_empty_blocks_without_end_are_refused_too(pipeline: FakePipeline) -> None:
    empty = zlib.compressobj(wbits=31)
    body = b"".join(empty.flush(zlib.Z_FULL_FLUSH) + empty.compress(b"") for _ in range(3))
    body += b"\x00\x00\x00\xff\xff" * 1000
    async with client(pipeline, max_body_bytes=1024) as http:
        answer = await http.post(
            "/v1/events", content=body, headers=JSON | {"content-encoding": "gzip"}
        )

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"content-type": "text/plain"}, "content-type: must be application/json"),
        ({}, "content-type: must be application/json"),
        (JSON | {"content-encoding": "br"}, "content-encoding: must be gzip or identity"),
    ],
)
async def test_other_media_types_are_refused(
    pipeline: FakePipeline, headers: dict[str, str], error: str
) -> None:
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()) == (415, {"errors": [error]})


async def test_a_charset_beside_the_media_type_does_not_matter(pipeline: FakePipeline) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", content=json.dumps(batch()), headers=headers)

    assert answer.status_code == 202


async def test_a_client_that_sends_too_often_is_told_when_to_come_back(
    pipeline: FakePipeline,
) -> None:
    async with client(pipeline, requests_per_second=0.1, burst=2) as http:
        answers = [await http.post("/v1/events", json=batch(n)) for n in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].headers["retry-after"] == "10"
    assert answers[2].json() == {"errors": ["more than 0.1 batches a second"]}
    assert pipeline.refused == [("rate_limited", 1)]


async def test_while_draining_nothing_is_taken(pipeline: FakePipeline) -> None:
    pipeline.state = "draining"
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", json=batch())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"errors": ["the exporter is draining"]}


async def test_a_batch_that_cannot_be_committed_is_to_be_sent_again(
    pipeline: FakePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.receipt = Future()
    pipeline.receipt.set_exception(LedgerError("/var/lib/costmeter/ledger.db: disk I/O error"))
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", json=batch())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"errors": ["not committed; send the same batch again"]}
    assert "disk I/O error" in caplog.text


async def test_waiting_for_a_commit_ends_and_does_not_disturb_it(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "COMMIT_SECONDS", 0.01)
    pipeline.receipt = Future()
    async with client(pipeline) as http:
        answer = await http.post("/v1/events", json=batch())

    assert answer.status_code == 503
    assert answer.json() == {"errors": ["not committed within 0.01 s; send the same batch again"]}
    assert not pipeline.receipt.cancelled()
    pipeline.receipt.set_result(Receipt(1))


async def test_a_body_that_does_not_come_is_not_waited_for(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client(pipeline) as http:
        answer = await asyncio.wait_for(
            http.post("/v1/events", content=never(), headers=JSON), timeout=10
        )

    assert answer.status_code == 408


async def test_a_sender_that_goes_away_leaves_nothing_behind(pipeline: FakePipeline) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address:
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"http://{address}/v1/events", json=batch())

    assert answer.status_code == 202
    assert len(pipeline.submitted) == 1


async def test_senders_at_once_are_all_taken(pipeline: FakePipeline) -> None:
    app = create_app(pipeline, WebConfig())
    async with serving(app) as address, httpx2.AsyncClient() as http:
        url = f"http://{address}/v1/events"
        answers = await asyncio.gather(*(http.post(url, json=batch(n)) for n in range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert sorted(sequence for _, sequence, _ in pipeline.submitted) == list(range(20))
