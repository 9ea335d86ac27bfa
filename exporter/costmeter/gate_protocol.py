"""What an application asks the gate, and what it is told: one JSON object a line, or a body.

New fields are only ever appended, with a default: application and sidecar may be of different
versions. Money is in whole nano-dollars, instants are nanoseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from costmeter.usage import (
    MAX_ATTRIBUTES,
    MAX_COST_NANO_USD,
    MAX_NAME_LENGTH,
    MAX_VALUE_LENGTH,
    Quantity,
)

Outcome = Literal["allowed", "warned", "refused", "critical", "unavailable"]
"""What becomes of a check. ``critical`` is what would have been refused but for its priority;
``unavailable``, that the gate does not know how the budgets stand."""

MAX_LINE_BYTES: Final = 65_536
"""Bytes of a question or an answer."""

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]
Value = Annotated[str, msgspec.Meta(max_length=MAX_VALUE_LENGTH)]
Attributes = Annotated[dict[Name, Value], msgspec.Meta(max_length=MAX_ATTRIBUTES)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_COST_NANO_USD)]


class Ask(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="do", tag="ask"):
    """May this be spent?

    Attributes:
        cost_nano_usd: what it will cost at most; None has the sidecar price ``usage``.
        provider: OpenTelemetry's ``gen_ai.provider.name``; empty where it is not known.
        model: the model to be asked; empty where it is not known.
        usage: what is going to be used, by :data:`costmeter.usage.USAGE_KEYS`. Without
            ``output_tokens`` the sidecar assumes as many as it is configured to.
        service_tier: the provider's service tier, or empty.
        attributes: whom it is for, as in a usage event.
        priority: ``critical`` is never refused.
        switching: the asker sends the request to the model of the answer by itself, at the same
            provider; otherwise that model is advice.
        replaces: a reservation that ends with this question: its call was not made.
        missed: how many questions went unanswered before this one.
        fixed: the request goes to the model asked for, whatever budgets want.
    """

    cost_nano_usd: Amount | None = None
    provider: Name = ""
    model: Value = ""
    usage: dict[Name, Quantity] = {}
    service_tier: Name = ""
    attributes: Attributes = {}
    priority: Literal["normal", "critical"] = "normal"
    switching: bool = False
    replaces: Name = ""
    missed: Quantity = 0
    fixed: bool = False


class Cancel(msgspec.Struct, frozen=True, tag_field="do", tag="cancel"):
    """The call that this was reserved for is not going to be made."""

    reservation: Name


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gate says.

    Attributes:
        outcome: see :data:`Outcome`.
        reason: why, where it is not plainly allowed.
        budget: the budget that decides, or that is used up the most; empty where none is limited.
        window: its ``day``, ``week`` or ``month``.
        spent_nano_usd: what was spent of it, without what is reserved.
        reserved_nano_usd: what is reserved of it for calls under way, without this one.
        limit_nano_usd: its limit that counts here.
        resets_at_ns: when its period ends.
        model: the model to use.
        reservation: what the usage event of the call is to carry; empty where nothing is reserved.
        emergency: whether a budget that the call counts for is in emergency mode.
    """

    outcome: Outcome
    reason: str = ""
    budget: str = ""
    window: str = ""
    spent_nano_usd: int | None = None
    reserved_nano_usd: int | None = None
    limit_nano_usd: int | None = None
    resets_at_ns: int | None = None
    model: str = ""
    reservation: str = ""
    emergency: bool = False
