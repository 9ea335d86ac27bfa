"""The exporter's API, as commands ask it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from costmeter.errors import CostmeterError

DEFAULT_URL: Final = "http://127.0.0.1:9464"
TOKEN_VARIABLE: Final = "COSTMETER_TOKEN"  # noqa: S105 - the name, not the token
ANSWER_SECONDS: Final = 40.0
"""How long an answer may take; the exporter gives a change 30 s."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class RefusedError(CostmeterError):
    """The exporter says no; ``status`` is HTTP's."""

    def __init__(self, status: int, problems: list[str]) -> None:
        """Take the status and what is wrong."""
        super().__init__("\n".join(problems))
        self.status = status


class Api:
    """Asks an exporter, with the token of the environment."""

    def __init__(self, url: str) -> None:
        """Take the exporter's address.

        Raises:
            CostmeterError: it is none, or would send the token over a network in clear.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CostmeterError(f"--url: {url!r} is not an http:// or https:// address")
        self._url = url.rstrip("/")
        self._is_here = parts.hostname in _LOOPBACK
        # Never by option: what is on the command line, every user of the machine can read.
        self._token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if self._token and parts.scheme == "http" and not self._is_here:
            raise CostmeterError(
                f"--url: {url!r} would send {TOKEN_VARIABLE} in clear over the network; use https"
            )

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Return an answer that is a success.

        Raises:
            RefusedError: it is none.
            CostmeterError: there is no answer.
        """
        sent = dict(headers or {})
        if self._token:
            sent["authorization"] = f"Bearer {self._token}"
        try:
            # No proxy is asked for what is on this machine: it would see the token.
            with httpx2.Client(timeout=ANSWER_SECONDS, trust_env=not self._is_here) as client:
                answer = client.request(
                    method, self._url + path, json=body, headers=sent, params=params
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise CostmeterError(f"{self._url}: {error or type(error).__name__}") from None
        if answer.is_success:
            return answer
        raise RefusedError(answer.status_code, _problems(answer))


def path_of(kind: str, name: str) -> str:
    """Return the path of a budget's resource, whatever its name is made of."""
    return f"/v1/{kind}/{quote(name, safe='')}"


def _problems(answer: httpx2.Response) -> list[str]:
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        return [f"the exporter does not know who asks: set {TOKEN_VARIABLE} to a token of its"]
    try:
        document: Any = answer.json()
        found = document["errors"]
    except (ValueError, KeyError, TypeError):
        return [answer.text.strip()[:500] or f"HTTP {answer.status_code}"]
    return [str(each) for each in found]
