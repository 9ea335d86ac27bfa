"""Service tiers: their names, and what each multiplies the standard prices with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

STANDARD: Final = frozenset({"", "auto", "default", "on_demand", "standard", "standard_only"})
"""Names under which providers report their standard tier."""

PUBLISHED: Final[Mapping[str, Mapping[str, Decimal]]] = {
    "aws": {"batch": Decimal("0.5"), "flex": Decimal("0.5"), "priority": Decimal("1.75")},
    "google": {"batch": Decimal("0.5"), "flex": Decimal("0.5"), "priority": Decimal("1.8")},
    "groq": {"batch": Decimal("0.5"), "flex": Decimal(1)},
    "voyageai": {"batch": Decimal("0.67")},
    "x-ai": {"batch": Decimal("0.8")},
}
"""Multipliers that providers publish for all their models, where they are not the usual ones.

Sources: https://aws.amazon.com/bedrock/pricing/ ·
https://ai.google.dev/gemini-api/docs/pricing · https://console.groq.com/docs/service-tiers ·
https://docs.voyageai.com/docs/pricing (33 % off) ·
https://docs.x.ai/developers/pricing#batch-api-pricing (20 % off)
"""

USUAL: Final[Mapping[str, Decimal]] = {"batch": Decimal("0.5"), "flex": Decimal("0.5")}
"""What most providers publish. There is no usual price for priority: it goes from 1.6 to 2.5."""


def tier_name(service_tier: str) -> str:
    """Return a service tier's name in small letters; empty for the standard tier."""
    name = service_tier.strip().lower()
    return "" if name in STANDARD else name
