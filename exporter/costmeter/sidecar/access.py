"""Who asks, and whether they may: passwords, bearer tokens and rights.

Who asks is settled once for all paths (:class:`Authentication`), what they may is settled by path
(:func:`needs`). A token is compared as a hash; neither tokens nor passwords are logged or answered.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.sidecar.rate import TokenBuckets
from costmeter.sidecar.rights import AccessConfig, Right
from costmeter.sidecar.web import Passwords, WebConfig

log = logging.getLogger(__name__)

FAILURES_PER_SECOND: Final = 1.0
FAILURES_AT_ONCE: Final = 20
"""How often an address may be wrong about who it is; then it is not listened to for a while."""

Access = Callable[[], AccessConfig]

MAY: Final[dict[Right, str]] = {
    "read": "read what is spent",
    "write_usage": "report usage",
    "alerts": "post alerts",
    "budgets": "change budgets",
    "reload": "have the configuration read again",
}
"""What each right is, in words."""


def asker(request: Request) -> str:
    """Return the name of the user or token who asks; empty where nobody said who they are."""
    return str(request.scope.get("state", {}).get("who", ""))


class Authentication:
    """Lets a request through that says truly who asks, or that need not say.

    Where the web configuration has users, everybody is to be one of them or to have a token. Where
    it has none, strangers are let in, with the rights that everybody has.
    """

    def __init__(
        self, app: ASGIApp, web: WebConfig, access: Access, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Guard an application with the users of a web configuration and with tokens."""
        self._app = app
        self._web = web
        self._access = access
        self._passwords = Passwords()
        self._failures = TokenBuckets(FAILURES_PER_SECOND, FAILURES_AT_ONCE, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the name of who asks; answer 401, or 429 after many failures."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scheme, _, credentials = Headers(scope=scope).get("authorization", "").partition(" ")
        users, tokens = self._web.users, self._access().tokens
        speaks = (scheme.lower() == "basic" and users) or (scheme.lower() == "bearer" and tokens)
        address = scope["client"][0] if scope.get("client") else ""
        who: str | None = None if users else ""
        if speaks and not self._failures.wait(address):
            if scheme.lower() == "basic":
                who = await self._passwords.user_of(users, credentials)
            else:
                who = self._access().name_of(credentials.strip().encode())
            if who is None:
                self._failures.take(address)
                log.warning("wrong credentials from %s", address or "a client")
        # Asked again, since others may have guessed while a password was verified.
        if speaks and (wait := self._failures.wait(address)):
            refused = PlainTextResponse(
                "Too many wrong credentials\n", 429, {"retry-after": str(math.ceil(wait))}
            )
            return await refused(scope, receive, send)
        if who is None:
            return await challenge(self._web, self._access())(scope, receive, send)
        scope.setdefault("state", {})["who"] = who
        return await self._app(scope, receive, send)


def challenge(web: WebConfig, access: AccessConfig) -> Response:
    """Return the answer that asks who asks."""
    schemes = []
    if web.users:
        schemes.append('Basic realm="costmeter", charset="UTF-8"')
    if access.tokens or not schemes:
        schemes.append('Bearer realm="costmeter"')
    return PlainTextResponse("Unauthorized\n", 401, {"www-authenticate": ", ".join(schemes)})


class Guarded:
    """An endpoint that only those reach who have a right."""

    def __init__(self, app: ASGIApp, right: Right, web: WebConfig, access: Access) -> None:
        """Guard an endpoint with a right."""
        self._app = app
        self._right = right
        self._web = web
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer 401 to strangers who might have the right, 403 to others."""
        access = self._access()
        holders = access.holders(self._right)
        who = scope["state"]["who"]
        if holders is None or (who and who in holders):
            return await self._app(scope, receive, send)
        if holders and not who:
            return await challenge(self._web, access)(scope, receive, send)
        may = f"{who} may not" if holders else "nobody may"
        told = f"{may} {MAY[self._right]}: see 'access' in costmeter.yml\n"
        return await PlainTextResponse(told, 403)(scope, receive, send)


def needs(right: Right, web: WebConfig, access: Access) -> list[Middleware]:
    """Return what guards a route that needs a right."""
    return [Middleware(Guarded, right=right, web=web, access=access)]
