"""How much is asked at which time of the day, and what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

HOURS: Final = (
    0.15, 0.10, 0.08, 0.08, 0.10, 0.20, 0.45, 0.90, 1.40, 1.75, 1.85, 1.70,
    1.45, 1.60, 1.90, 1.95, 1.80, 1.60, 1.30, 1.15, 1.04, 0.75, 0.45, 0.25,
)  # fmt: skip
"""Share of the mean rate in each hour of a day: offices in the morning and afternoon."""

DAY_SECONDS: Final = 86_400
_TENANTS: Final = {"acme": 6, "globex": 3, "initech": 1}
_PATHS: Final = {"/summarise": 5, "/chat": 4, "/search": 3, "/index": 1}


def share_at(second: float) -> float:
    """Return the share of the mean rate at a second of the day, from hour to hour in a line."""
    hour, part = divmod(second % DAY_SECONDS / 3600, 1)
    now, then = HOURS[int(hour)], HOURS[(int(hour) + 1) % 24]
    return now + (then - now) * part


def request(random: Random) -> tuple[str, dict[str, str], Any]:
    """Return a request: its path, headers and JSON body."""
    (path,) = random.choices(list(_PATHS), weights=list(_PATHS.values()))
    (tenant,) = random.choices(list(_TENANTS), weights=list(_TENANTS.values()))
    text = "What did we agree on, and what does it cost? " * random.randint(2, 60)
    body: Any = [text] * random.randint(1, 20) if path == "/index" else {"text": text}
    return path, {"x-tenant": tenant}, body
