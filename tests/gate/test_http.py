"""The gate over HTTP: passwords, tokens, TLS, and bodies that make no sense."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from pathlib import Path

import bcrypt
import pytest
import yaml

from costmeter import gate
from costmeter.instrumentation import gate_client
from costmeter.sidecar import body as body_module
from costmeter.sidecar.app import create_app
from costmeter.sidecar.exporter import Exporter
from costmeter.sidecar.rights import hash_of
from costmeter.sidecar.web import WebConfig
from costmeter.units import NANO
from tests.gate.stack import Stack
from tests.sidecar.server import client_of, serving

QUESTION = {"do": "ask", "cost_nano_usd": 6 * NANO, "attributes": {"team": "search"}}


def web_config(directory: Path, **settings: object) -> WebConfig:
    path = directory / "web.yml"
    path.write_text(yaml.safe_dump(settings))
    return WebConfig(path)


@contextlib.asynccontextmanager
async def asked_over_http(stack: Stack, monkeypatch, web: WebConfig, scheme="http", user=""):
    """Serve the gate of a stack, and have this process ask it there."""
    app = create_app(Exporter(stack.pipeline), web)
    async with serving(app, **web.uvicorn_options()) as address:
        monkeypatch.setenv("COSTMETER_GATE", f"{scheme}://{user}{address}")
        gate_client.reset()
        yield
        await asyncio.to_thread(gate_client.reset)


async def test_it_reserves_and_cancels_as_over_the_socket(stack: Stack, monkeypatch):
    stack.start()
    async with asked_over_http(stack, monkeypatch, WebConfig()):
        first = await gate.acheck(6, team="search")
        assert (first.outcome, stack.reserved()) == ("allowed", 6 * NANO)
        assert not await gate.acheck(11, team="search")
        async with gate.reserve(3, team="search"):
            assert stack.reserved() == 3 * NANO
        assert stack.reserved() == 0


async def test_a_password_is_asked_for_where_the_web_configuration_has_users(stack, monkeypatch):
    stack.start()
    secret = bcrypt.hashpw(b"p@ss/word", bcrypt.gensalt(rounds=4)).decode()
    web = web_config(stack.directory, basic_auth_users={"app": secret})
    async with asked_over_http(stack, monkeypatch, web, user="app:p%40ss%2Fword@"):
        assert (await gate.acheck(1, team="search")).outcome == "allowed"
    async with asked_over_http(stack, monkeypatch, web, user="app:wrong@"):
        assert (await gate.acheck(1, team="search")).outcome == "unavailable"


async def test_a_token_will_do(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    stack.settings["access"] = {"write_usage": "app", "tokens": {"app": hash_of(b"secret")}}
    stack.start()
    async with asked_over_http(stack, monkeypatch, WebConfig()):
        assert (await gate.acheck(1, team="search")).outcome == "unavailable"
    monkeypatch.setenv("COSTMETER_GATE_TOKEN", "secret")
    async with asked_over_http(stack, monkeypatch, WebConfig()):
        assert (await gate.acheck(1, team="search")).outcome == "allowed"


async def test_a_certificate_is_verified(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    stack.start()
    certificate, key = stack.directory / "server.crt", stack.directory / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    files = {"cert_file": str(certificate), "key_file": str(key)}
    web = web_config(stack.directory, tls_server_config=files)
    async with asked_over_http(stack, monkeypatch, web, scheme="https"):
        assert (await gate.acheck(1, team="search")).outcome == "unavailable"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with asked_over_http(stack, monkeypatch, web, scheme="https"):
        assert (await gate.acheck(1, team="search")).outcome == "allowed"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "problem"),
    [
        (b"nonsense", "application/json", 400, "malformed"),
        (b'{"do":"ask","cost_nano_usd":-1}', "application/json", 400, "cost_nano_usd"),
        (b'{"do":"dance"}', "application/json", 400, "dance"),
        (b"x" * 70_000, "application/json", 413, "65536"),
        (b"{}", "text/plain", 415, "application/json"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(stack, body, content_type, status, problem):
    stack.start()
    async with client_of(create_app(Exporter(stack.pipeline), WebConfig())) as client:
        answer = await client.post("/v1/gate", content=body, headers={"content-type": content_type})
        assert answer.status_code == status
        assert problem in answer.json()["errors"][0]
        fine = await client.post("/v1/gate", json=QUESTION)
        assert fine.json()["outcome"] == "allowed"
        again = await client.post("/v1/gate", json=QUESTION)
        assert again.json()["outcome"] == "refused"
        cancel = {"do": "cancel", "reservation": fine.json()["reservation"]}
        assert (await client.post("/v1/gate", json=cancel)).json() == {}
    assert stack.reserved() == 0


async def test_a_body_that_does_not_come_is_not_waited_for(stack: Stack, monkeypatch):
    monkeypatch.setattr(body_module, "BODY_SECONDS", 0.01)
    stack.start()

    async def never():
        yield b"{"
        await asyncio.Event().wait()

    async with client_of(create_app(Exporter(stack.pipeline), WebConfig())) as client:
        asked = client.post(
            "/v1/gate", content=never(), headers={"content-type": "application/json"}
        )
        assert (await asyncio.wait_for(asked, timeout=10)).status_code == 408
