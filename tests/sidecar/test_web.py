from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from pathlib import Path
from typing import Any

import bcrypt
import httpx2
import pytest
import yaml

from costmeter.errors import ConfigError
from costmeter.sidecar import web as web_module
from costmeter.sidecar.app import create_app
from costmeter.sidecar.web import CIPHER_SUITES, WebConfig
from tests.sidecar.server import FakePipeline, client_of, serving


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()


ALICE = hashed("wonderland")


def write(directory: Path, content: object) -> Path:
    path = directory / "web.yml"
    path.write_text(yaml.safe_dump(content))
    return path


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        WebConfig(path)
    assert caught.value.source == str(path)
    return caught.value.problems


class Certificates:
    """A certificate authority with its openssl commands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        signs = ["-addext", "keyUsage=critical,keyCertSign"]  # Python 3.13 asks for it
        self.ca = self.issue("ca", "/CN=test authority", "-x509", *signs)

    def issue(self, name: str, subject: str, *options: str) -> Path:
        certificate = self.directory / f"{name}.crt"
        subprocess.run(
            ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-keyout", self.directory / f"{name}.key", "-out", certificate,
             "-subj", subject, *options],
            check=True, capture_output=True,
        )  # fmt: skip
        return certificate

    def signed(self, name: str, common_name: str = "127.0.0.1") -> Path:
        ca = ["-CA", self.ca, "-CAkey", self.directory / "ca.key", "-x509"]
        own = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"]
        extensions = [word for each in own for word in ("-addext", each)]
        return self.issue(name, f"/CN={common_name}", *ca, *extensions)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    certificates.signed("server", "first")
    certificates.signed("renewed", "second")
    certificates.signed("client", "prometheus")
    return certificates


@pytest.fixture
def tls(tmp_path: Path, authority: Certificates) -> dict[str, Any]:
    """A directory with a server's certificate and key; what names them."""
    for name in ("server.crt", "server.key", "ca.crt"):
        (tmp_path / name).write_bytes((authority.directory / name).read_bytes())
    return {"cert_file": "server.crt", "key_file": "server.key"}


def trusting(authority: Certificates, *, client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.ca)
    if client:
        directory = authority.directory
        context.load_cert_chain(directory / "client.crt", directory / "client.key")
    return context


async def subject(address: str, context: ssl.SSLContext) -> str:
    host, port = address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    await writer.wait_closed()
    return certificate["subject"][0][0][1]


# -- the file ----------------------------------------------------------------------------------


def test_without_a_file_there_is_neither_tls_nor_authentication() -> None:
    web = WebConfig(None)

    assert (web.tls, web.authenticates, web.headers, web.uvicorn_options()) == (
        False, False, {}, {},
    )  # fmt: skip


def test_an_empty_file_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.touch()

    assert not WebConfig(path).tls


def test_all_problems_are_told_at_once_and_no_secret_is(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "tls_server_config": {
                "key_file": "server.key",
                "min_version": "SSL30",
                "client_auth_type": "RequireAnyClientCert",
                "cipher_suites": ["TLS_RSA_WITH_RC4_128_SHA"],
                "client_allowed_sans": ["x"],
            },
            "http_server_config": {"headers": {"Server": "x"}},
            "basic_auth_users": {"alice": "wonderland", "bob": ALICE},
            "rate_limit": {"burst": 1},
        },
    )

    found = problems(path)

    assert set(found) == {
        "tls_server_config.cert_file: Field required",
        "tls_server_config.min_version: 'SSL30': is not one of TLS12, TLS13",
        "tls_server_config.client_auth_type: 'RequireAnyClientCert': is not one of NoClientCert, "
        "VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        "tls_server_config.cipher_suites[0]: 'TLS_RSA_WITH_RC4_128_SHA': is not one of "
        + ", ".join(CIPHER_SUITES),
        "tls_server_config.client_allowed_sans: unknown key",
        "http_server_config.headers: Server: only Content-Security-Policy, "
        "Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection "
        "can be set",
        "basic_auth_users: alice: not a bcrypt hash, as 'htpasswd -nBC 10' prints",
        "rate_limit: unknown key",
    }
    assert "wonderland" not in str(found)


def test_every_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    named = {"cert_file": "a.crt", "key_file": "/nowhere/a.key"}
    path = write(tmp_path, {"tls_server_config": named})

    assert problems(path) == (
        f"tls_server_config.cert_file: '{tmp_path}/a.crt': cannot be read: "
        "No such file or directory",
        "tls_server_config.key_file: '/nowhere/a.key': cannot be read: No such file or directory",
    )
    assert problems(tmp_path / "none.yml") == ("cannot be read: No such file or directory",)


def test_a_key_of_another_certificate_is_told(
    tmp_path: Path, tls: dict[str, Any], authority: Certificates
) -> None:
    (tmp_path / "server.key").write_bytes((authority.directory / "ca.key").read_bytes())

    [problem] = problems(write(tmp_path, {"tls_server_config": tls}))
    assert problem.startswith("tls_server_config: cert_file ")
    assert "key values mismatch" in problem.lower()


def test_an_encrypted_key_is_told_and_no_password_asked_for(
    tmp_path: Path, tls: dict[str, Any]
) -> None:
    options = ["-aes128", "-passout", "pass:secret", "-out", tmp_path / "encrypted.key"]
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "server.key", *options], check=True)
    tls["key_file"] = "encrypted.key"

    [problem] = problems(write(tmp_path, {"tls_server_config": tls}))
    assert "cannot be used together" in problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"client_ca_file": "ca.crt"},
            "client_ca_file and a client_auth_type that verifies need each other",
        ),
        (
            {"client_auth_type": "RequireAndVerifyClientCert"},
            "client_ca_file and a client_auth_type that verifies need each other",
        ),
        (
            {"min_version": "TLS13", "max_version": "TLS12"},
            "min_version TLS13 is above max_version TLS12",
        ),
    ],
)
def test_keys_that_do_not_fit_together_are_told(
    tmp_path: Path, tls: dict[str, Any], keys: dict[str, str], problem: str
) -> None:
    path = write(tmp_path, {"tls_server_config": tls | keys})

    assert problems(path) == (f"tls_server_config: {problem}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Frame-Options", "allow"), ("Strict-Transport-Security", "a\nb"), ("Set-Cookie", "a")],
)
def test_headers_are_those_of_the_exporter_toolkit(tmp_path: Path, name: str, value: str) -> None:
    path = write(tmp_path, {"http_server_config": {"headers": {name: value}}})

    [problem] = problems(path)
    assert problem.startswith(f"http_server_config.headers: {name}: ")


def test_a_users_name_has_no_colon(tmp_path: Path) -> None:
    path = write(tmp_path, {"basic_auth_users": {"a:b": ALICE}})

    assert problems(path) == ("basic_auth_users: a:b: a user's name has no colon",)


def test_every_cipher_suite_is_known_to_openssl(tmp_path: Path, tls: dict[str, Any]) -> None:
    path = write(tmp_path, {"tls_server_config": tls | {"cipher_suites": list(CIPHER_SUITES)}})

    context = WebConfig(path)._current().context
    assert context is not None
    offered = {
        cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"
    }
    assert offered == set(CIPHER_SUITES.values())


# -- TLS ---------------------------------------------------------------------------------------


async def test_metrics_are_served_over_tls(
    pipeline: FakePipeline, tmp_path: Path, tls: dict[str, Any], authority: Certificates
) -> None:
    web = WebConfig(write(tmp_path, {"tls_server_config": tls | {"min_version": "TLS13"}}))
    async with (
        serving(create_app(pipeline, web), **web.uvicorn_options()) as address,
        httpx2.AsyncClient(verify=trusting(authority)) as http,
    ):
        answer = await http.get(f"https://{address}/metrics")
        old = trusting(authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await subject(address, old)

    assert answer.status_code == 200
    assert (web.tls, web.authenticates) == (True, False)


async def test_a_renewed_certificate_is_in_force_from_the_next_connection_on(
    pipeline: FakePipeline, tmp_path: Path, tls: dict[str, Any], authority: Certificates
) -> None:
    web = WebConfig(write(tmp_path, {"tls_server_config": tls}))
    async with serving(create_app(pipeline, web), **web.uvicorn_options()) as address:
        before = await subject(address, trusting(authority))
        for suffix in ("crt", "key"):
            renewed = (authority.directory / f"renewed.{suffix}").read_bytes()
            (tmp_path / f"server.{suffix}").write_bytes(renewed)
        after = await subject(address, trusting(authority))

    assert (before, after) == ("first", "second")


async def test_a_certificate_that_does_not_work_leaves_the_old_one_in_force(
    pipeline: FakePipeline,
    tmp_path: Path,
    tls: dict[str, Any],
    authority: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    web = WebConfig(write(tmp_path, {"tls_server_config": tls}))
    async with serving(create_app(pipeline, web), **web.uvicorn_options()) as address:
        (tmp_path / "server.crt").write_text("half a certificate")
        subjects = {await subject(address, trusting(authority)) for _ in range(3)}

    assert subjects == {"first"}
    assert caplog.text.count("the web configuration in force stays") == 1


async def test_a_client_certificate_can_be_required(
    pipeline: FakePipeline, tmp_path: Path, tls: dict[str, Any], authority: Certificates
) -> None:
    required = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.crt"}
    web = WebConfig(write(tmp_path, {"tls_server_config": tls | required}))
    async with serving(create_app(pipeline, web), **web.uvicorn_options()) as address:
        url = f"https://{address}/-/healthy"
        async with httpx2.AsyncClient(verify=trusting(authority, client=True)) as http:
            known = await http.get(url)
        async with httpx2.AsyncClient(verify=trusting(authority)) as http:
            with pytest.raises((httpx2.TransportError, ssl.SSLError)):
                await http.get(url)

    assert known.status_code == 200
    assert web.authenticates


def test_tls_is_not_turned_off_by_a_change_of_the_file(
    tmp_path: Path, tls: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, {"tls_server_config": tls})
    web = WebConfig(path)

    write(tmp_path, {"basic_auth_users": {"alice": ALICE}})

    assert web.users == {}
    assert "tls_server_config: TLS is turned on or off by a restart" in caplog.text


# -- users and headers -------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> WebConfig:
    return WebConfig(write(tmp_path, {"basic_auth_users": {"alice": ALICE}}))


PATHS = [("GET", "/"), ("GET", "/metrics"), ("GET", "/-/healthy"), ("GET", "/-/ready"),
         ("POST", "/-/reload"), ("POST", "/v1/events"), ("GET", "/nowhere")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_every_path_asks_for_a_password(
    pipeline: FakePipeline, guarded: WebConfig, method: str, path: str
) -> None:
    async with client_of(create_app(pipeline, guarded)) as http:
        answer = await http.request(method, path)

    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
    assert answer.headers["www-authenticate"] == 'Basic realm="costmeter", charset="UTF-8"'
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_user_with_the_password_is_let_in(
    pipeline: FakePipeline, guarded: WebConfig
) -> None:
    app = create_app(pipeline, guarded)
    async with client_of(app, auth=("alice", "wonderland")) as http:
        answers = [await http.get("/metrics") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("bob", "wonderland"),
        ("", ""),
        ("alice", "x" * 100),  # more than bcrypt takes
        ("alice", "wonderland\0more"),
        ("alïce", "wonderland"),
    ],
)
async def test_others_are_not(
    pipeline: FakePipeline, guarded: WebConfig, user: str, password: str
) -> None:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    async with client_of(create_app(pipeline, guarded)) as http:
        answer = await http.get("/metrics", headers={"authorization": f"Basic {credentials}"})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic YWxpY2U=", "Bearer abc", "Basic /w==", "", "Basic " + "A" * 9],
)
async def test_what_is_no_basic_authorization_is_refused(
    pipeline: FakePipeline, guarded: WebConfig, authorization: str
) -> None:
    async with client_of(create_app(pipeline, guarded)) as http:
        answer = await http.get("/metrics", headers={"authorization": authorization})

    assert answer.status_code == 401


async def test_a_password_is_hashed_once_and_a_guess_each_time(
    pipeline: FakePipeline, guarded: WebConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed_passwords = []

    def checkpw(password: bytes, expected: bytes) -> bool:
        hashed_passwords.append(password)
        return original(password, expected)

    original = bcrypt.checkpw
    monkeypatch.setattr(web_module.bcrypt, "checkpw", checkpw)
    async with client_of(create_app(pipeline, guarded)) as http:
        for password in ("wonderland", "guess", "wonderland", "guess", "wonderland"):
            await http.get("/-/healthy", auth=("alice", password))
        await http.get("/-/healthy", auth=("nobody", "wonderland"))

    assert hashed_passwords == [b"wonderland", b"guess", b"guess", b"wonderland"]


async def test_changed_users_are_in_force_from_the_next_request_on(
    pipeline: FakePipeline, tmp_path: Path, guarded: WebConfig
) -> None:
    async with client_of(create_app(pipeline, guarded)) as http:
        before = await http.get("/-/healthy", auth=("alice", "wonderland"))
        write(tmp_path, {"basic_auth_users": {"alice": hashed("new"), "bob": hashed("b")}})
        old = await http.get("/-/healthy", auth=("alice", "wonderland"))
        new = await http.get("/-/healthy", auth=("alice", "new"))
        bob = await http.get("/-/healthy", auth=("bob", "b"))

    statuses = [answer.status_code for answer in (before, old, new, bob)]
    assert statuses == [200, 401, 200, 200]


async def test_a_broken_or_missing_file_lets_nobody_in_who_was_not(
    pipeline: FakePipeline, tmp_path: Path, guarded: WebConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(create_app(pipeline, guarded)) as http:
        (tmp_path / "web.yml").write_text("basic_auth_users: {alice")
        broken = await http.get("/-/healthy")
        (tmp_path / "web.yml").unlink()
        missing = await http.get("/-/healthy")
        known = await http.get("/-/healthy", auth=("alice", "wonderland"))

    assert [answer.status_code for answer in (broken, missing, known)] == [401, 401, 200]
    assert caplog.text.count("the web configuration in force stays") == 2


async def test_headers_of_the_file_go_before_our_own(
    pipeline: FakePipeline, tmp_path: Path
) -> None:
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=600"}
    web = WebConfig(write(tmp_path, {"http_server_config": {"headers": headers}}))
    async with client_of(create_app(pipeline, web)) as http:
        answer = await http.get("/metrics")

    assert answer.headers["x-frame-options"] == "sameorigin"
    assert answer.headers["strict-transport-security"] == "max-age=600"
