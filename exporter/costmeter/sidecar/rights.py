"""The key ``access`` of ``costmeter.yml``: who may do what over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints, field_validator

from costmeter.schema import Section
from costmeter.usage import MAX_NAME_LENGTH

Right = Literal["read", "write_usage", "alerts", "budgets", "reload"]
"""What somebody may do.

``read`` what is spent, ``write_usage`` report it and ask the gate, post ``alerts``, change
``budgets``, and have the configuration read again.
"""

_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_RANDOM_BYTES: Final = 32

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
"""A user of the web configuration, or a token."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[Name, ...], BeforeValidator(_as_list)]


class AccessConfig(Section):
    """Who may do what: users of the web configuration and tokens, by name.

    A right without a list is everybody's who is let in at all; only that to change budgets is
    nobody's then.

    Attributes:
        read: who may see what is spent, the metrics and the audit trail.
        write_usage: who may report usage and ask the gate.
        alerts: who may post alerts.
        budgets: who may change budgets and put them in emergency.
        reload: who may have the configuration read again.
        tokens: hashes of bearer tokens by name, as ``costmeter token`` prints them.
    """

    read: Names | None = None
    write_usage: Names | None = None
    alerts: Names | None = None
    budgets: Names = ()
    reload: Names | None = None
    tokens: dict[Name, str] = Field(default_factory=dict)

    @field_validator("tokens", mode="before")
    @classmethod
    def _are_hashes(cls, tokens: Any) -> Any:
        # A wrong value is not shown: it may be the token itself.
        given = tokens.items() if isinstance(tokens, dict) else ()
        wrong = [
            str(name)
            for name, value in given
            if not (isinstance(value, str) and _HASH.fullmatch(value))
        ]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not a hash, as 'costmeter token' prints one")
        return tokens

    def holders(self, right: Right) -> tuple[str, ...] | None:
        """Return who has a right; None is everybody."""
        holders: tuple[str, ...] | None = getattr(self, right)
        return holders

    def unknown(self, users: Collection[str]) -> Iterator[str]:
        """Yield which names are neither a token's nor a user's of the web configuration."""
        there = ", ".join((*users, *self.tokens)) or "none"
        for right in get_args(Right):
            for name in self.holders(right) or ():
                if name not in users and name not in self.tokens:
                    yield f"access.{right}: {name!r}: no such user or token, there are {there}"

    def name_of(self, token: bytes) -> str | None:
        """Return the name of a token; None where it is none."""
        given = hash_of(token)
        found = None
        for name, known in self.tokens.items():  # all of them: time tells nothing
            if hmac.compare_digest(given, known):
                found = name
        return found


def new_token() -> str:
    """Return a token that nobody guesses: 256 random bits."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def hash_of(token: bytes) -> str:
    """Return what the configuration has of a token.

    SHA-256 is enough for 256 random bits; a slow hash protects what people choose.
    """
    return f"sha256:{hashlib.sha256(token).hexdigest()}"
