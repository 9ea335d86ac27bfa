"""The sidecars that are chosen at the top, and what they tell about themselves."""

from __future__ import annotations

from typing import Final

from dashboards.src.checks import Sidecars

CHOSEN: Final = Sidecars('job=~"$job", instance=~"$instance"')
of = CHOSEN.of
