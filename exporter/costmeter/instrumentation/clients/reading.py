"""What a provider's response tells of a call, in the same words for every SDK."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec


class Share(msgspec.Struct, frozen=True, gc=False):
    """What another model used in the same call, at its own prices.

    Attributes:
        model: the other model.
        usage: whole numbers by :data:`costmeter.usage.USAGE_KEYS`, zeros left out.
        service_tier: the tier that served, or empty for the base tier.
        identity: the provider's name for it, where other answers may tell of it again.
    """

    model: str
    usage: dict[str, int]
    service_tier: str = ""
    identity: str = ""

    def known_by(self, provider: str, otherwise: str = "") -> str:
        """Return the identity of its event: its own, or else one that its call gives it."""
        return f"{provider}/{self.identity}" if self.identity else otherwise


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a response body or a stream tells.

    Attributes:
        usage: whole numbers by :data:`costmeter.usage.USAGE_KEYS`, zeros left out; None where
            nothing was reported.
        model: the model that answered, or empty.
        service_tier: the tier that served, or empty for the base tier.
        status: ``ok``, or the kind of error that the body itself tells of.
        odd: what could not be read as it stands, in words.
        others: what other models used that took part; ``usage`` does not include it.
        estimated: whether ``usage`` was counted here rather than reported.
    """

    usage: dict[str, int] | None = None
    model: str = ""
    service_tier: str = ""
    status: str = "ok"
    odd: tuple[str, ...] = ()
    others: tuple[Share, ...] = ()
    estimated: bool = False

    def _replace(self, **changes: Any) -> Reading:
        """Return the same with some fields changed, as a named tuple does."""
        return msgspec.structs.replace(self, **changes)


NOTHING: Final = Reading()
NO_JSON: Final = Reading(odd=("a body that is no JSON object",))


class Watcher(Protocol):
    """Reads along while the body of a response passes by, in chunks of any size.

    ``feed`` and ``flush`` stand in the caller's way: they never raise, and lose nothing.
    """

    complete: bool
    """Whether the body told that it has come to its end."""

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in and return what of it the caller is to see."""

    def flush(self) -> bytes:
        """Return what was held back, now that no chunk will follow."""

    def reading(self) -> Reading:
        """Return what was read so far."""


class Reader(Protocol):
    """Reads the answers to calls of one kind, in whichever of three ways they arrive."""

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:
        """Return a watcher of a body that is yet to be read; ``hiding`` as the call asked."""
