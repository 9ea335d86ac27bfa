"""``--web.config.file``: TLS and basic authentication in the format of Prometheus's exporters.

Source: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. As
there, the file and the certificates that it names are read again once they have changed: a renewed
certificate is in force from the next connection on, a changed user from the next request on.
Changes that have problems are logged, and leave in force what was.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self

import bcrypt
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from starlette.concurrency import run_in_threadpool

from costmeter.errors import ConfigError
from costmeter.schema import Section
from costmeter.sidecar.config import problems, read

log = logging.getLogger(__name__)

TLS_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH_TYPES: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
"""Client authentication by Go's names, but for the two that ask for certificates unverified."""
CIPHER_SUITES: Final = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{openssl_name}"
    for key in ("ECDSA", "RSA")
    for name, openssl_name in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    )
}
"""TLS 1.2's cipher suites with forward secrecy and authenticated encryption: OpenSSL's names by
IANA's. TLS 1.3's are not configurable."""
HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""Headers that may be set, with the values that they may have where these are limited."""

_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_VERIFIED_LIMIT: Final = 1000


def _one_of(table: Mapping[str, object]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            raise ValueError(f"is not one of {', '.join(table)}")
        return name

    return AfterValidator(check)


class TlsServerConfig(Section):
    """Certificate, key and client authentication; paths are relative to the file's directory."""

    cert_file: Path
    key_file: Path
    client_auth_type: Annotated[str, _one_of(CLIENT_AUTH_TYPES)] = "NoClientCert"
    client_ca_file: Path | None = None
    min_version: Annotated[str, _one_of(TLS_VERSIONS)] = "TLS12"
    max_version: Annotated[str, _one_of(TLS_VERSIONS)] = "TLS13"
    cipher_suites: tuple[Annotated[str, _one_of(CIPHER_SUITES)], ...] = ()
    prefer_server_cipher_suites: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.client_auth_type == "NoClientCert") != (self.client_ca_file is None):
            raise ValueError("client_ca_file and a client_auth_type that verifies need each other")
        if TLS_VERSIONS[self.min_version] > TLS_VERSIONS[self.max_version]:
            raise ValueError(
                f"min_version {self.min_version} is above max_version {self.max_version}"
            )
        return self

    def files(self, directory: Path) -> dict[str, Path]:
        """Return the files that are named, by their key."""
        named = {key: getattr(self, key) for key in ("cert_file", "key_file", "client_ca_file")}
        return {key: directory / path for key, path in named.items() if path is not None}

    def context(self, directory: Path) -> ssl.SSLContext:
        """Return what to accept connections with.

        Raises:
            OSError: a file cannot be read, or is not what it should be (``ssl.SSLError``).
        """
        files = self.files(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = TLS_VERSIONS[self.min_version]
        context.maximum_version = TLS_VERSIONS[self.max_version]
        context.set_alpn_protocols(["http/1.1"])
        if self.cipher_suites:
            context.set_ciphers(":".join(CIPHER_SUITES[name] for name in self.cipher_suites))
        if self.prefer_server_cipher_suites:
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        # An encrypted key is an error: without a password given, OpenSSL would ask the terminal.
        context.load_cert_chain(files["cert_file"], files["key_file"], password="")
        context.verify_mode = CLIENT_AUTH_TYPES[self.client_auth_type]
        if self.client_ca_file is not None:
            context.load_verify_locations(files["client_ca_file"])
        return context


class HttpServerConfig(Section):
    """Headers of every answer. ``http2`` is accepted and without effect: HTTP/1.1 is spoken."""

    http2: bool = True
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _may_be_set(cls, headers: dict[str, str]) -> dict[str, str]:
        unknown = sorted(headers.keys() - HEADERS.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: only {', '.join(HEADERS)} can be set")
        for name, value in headers.items():
            if HEADERS[name] and value not in HEADERS[name]:
                raise ValueError(f"{name}: {value!r} is not one of {', '.join(HEADERS[name])}")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"{name}: {value!r} is not printable ASCII")
        return headers


class WebSettings(Section):
    """The whole file."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[str, str] = Field(default_factory=dict)

    @field_validator("basic_auth_users")
    @classmethod
    def _are_hashes(cls, users: dict[str, str]) -> dict[str, str]:
        # A wrong value is not shown: it may be the password itself.
        wrong = [name for name, value in users.items() if not _BCRYPT.fullmatch(value)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not a bcrypt hash, as 'htpasswd -nBC 10' prints")
        if unnameable := [name for name in users if ":" in name]:
            raise ValueError(f"{', '.join(unnameable)}: a user's name has no colon")
        return users


class _InForce(NamedTuple):
    settings: WebSettings
    context: ssl.SSLContext | None
    files: tuple[Path, ...]


class WebConfig:
    """TLS, users and headers as the web configuration has them at the moment.

    Attributes:
        tls: whether connections are encrypted; settled when the configuration is first read.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read a web configuration; None is neither TLS nor authentication.

        Raises:
            ConfigError: the file, or one that it names, has problems: all of them.
        """
        self._path = path
        self._in_force = _InForce(WebSettings(), None, ()) if path is None else _read_all(path)
        self._stamps = self._stamp()
        self.tls = self._in_force.context is not None

    @property
    def users(self) -> Mapping[str, str]:
        """Bcrypt hashes of the passwords, by user; without any, everyone is let in."""
        return self._current().settings.basic_auth_users

    @property
    def authenticates(self) -> bool:
        """Whether it is known who asks: by password, or by a verified client certificate."""
        tls = self._current().settings.tls_server_config
        required = tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"
        return required or bool(self.users)

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that every answer gets."""
        return self._current().settings.http_server_config.headers

    def uvicorn_options(self) -> dict[str, Any]:
        """Return what ``uvicorn.Config`` has to be given."""
        if not self.tls:
            return {}
        return {"ssl_context_factory": lambda _config, _default: self.ssl_context()}

    def ssl_context(self) -> ssl.SSLContext:
        """Return a context that uses, for each new connection, the certificates then in force."""
        return _LatestContext.of(lambda: self._current().context)

    def _current(self) -> _InForce:
        stamps = self._stamp()
        if self._path is not None and stamps != self._stamps:
            self._stamps = stamps
            try:
                changed = _read_all(self._path, tls=self.tls)
            except ConfigError as error:
                log.error("the web configuration in force stays: %s", error)  # noqa: TRY400 no bug
            else:
                self._in_force = changed
                self._stamps = self._stamp()
                log.info("read %s again", self._path)
        return self._in_force

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        paths = () if self._path is None else (self._path, *self._in_force.files)
        return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does; None where it cannot be looked at."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read_all(path: Path, *, tls: bool | None = None) -> _InForce:
    """Read a configuration and its files; ``tls`` is what it has to agree with, if anything."""
    try:
        settings = WebSettings.model_validate(read(path))
    except ValidationError as error:
        raise ConfigError(str(path), problems(error)) from None
    server = settings.tls_server_config
    if tls not in {None, server is not None}:
        raise ConfigError(str(path), ["tls_server_config: TLS is turned on or off by a restart"])
    if server is None:
        return _InForce(settings, None, ())
    files = server.files(path.parent)
    if found := list(_unreadable(files)):
        raise ConfigError(str(path), found)
    try:
        return _InForce(settings, server.context(path.parent), tuple(files.values()))
    except OSError as error:  # of which ssl.SSLError is one
        shown = ", ".join(f"{key} {str(file)!r}" for key, file in files.items())
        problem = f"tls_server_config: {shown}: cannot be used together: {error.strerror or error}"
        raise ConfigError(str(path), [problem]) from None


def _unreadable(files: Mapping[str, Path]) -> Iterator[str]:
    for key, file in files.items():
        try:
            with file.open("rb"):
                pass
        except OSError as error:
            yield f"tls_server_config.{key}: {str(file)!r}: cannot be read: {error.strerror}"


class _LatestContext(ssl.SSLContext):
    """A context whose connections use another one, that which is in force when they begin.

    asyncio, and uvicorn with it, takes one context for the life of a server and asks it for each
    connection's TLS object.
    """

    _latest: Callable[[], ssl.SSLContext | None]

    @classmethod
    def of(cls, latest: Callable[[], ssl.SSLContext | None]) -> _LatestContext:
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._latest = latest
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        context = self._latest()
        assert context is not None  # noqa: S101 a reload keeps TLS
        return context.wrap_bio(*args, **kwargs)


class Passwords:
    """Tells which passwords are right."""

    def __init__(self) -> None:
        """Begin with none that was verified."""
        # bcrypt is slow on purpose, so what was verified is remembered: as a keyed hash of user,
        # stored hash and password, so that a changed hash is verified anew.
        self._verified: set[bytes] = set()
        self._key = secrets.token_bytes(32)
        self._verifying = asyncio.Lock()  # one guess at a time

    async def user_of(self, users: Mapping[str, str], encoded: str) -> str | None:
        """Return the user whose password is given; None where it is wrong.

        Args:
            users: bcrypt hashes of the passwords, by user; there is one at least.
            encoded: user and password as basic authentication has them.
        """
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):  # the latter where it is no ASCII
            return None
        user, colon, password = decoded.partition(b":")
        name = user.decode(errors="replace")
        if not colon:
            return None
        known = users.get(name)
        # A user who does not exist costs as much time as one who does.
        expected = (known or next(iter(users.values()))[:29] + "." * 31).encode()
        seen = hmac.digest(self._key, b"\0".join((user, expected, password)), hashlib.sha256)
        if seen in self._verified:
            return name
        async with self._verifying:
            valid = await run_in_threadpool(_matches, password, expected) and known is not None
        if valid:
            if len(self._verified) >= _VERIFIED_LIMIT:
                self._verified.clear()
            self._verified.add(seen)
        return name if valid else None


def _matches(password: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, expected)
    except ValueError:  # longer than bcrypt's 72 bytes
        return False
