"""What an event cost, by component, and what priced it."""

from __future__ import annotations

from typing import NamedTuple


class Charge(NamedTuple):
    """The cost of one event.

    Attributes:
        components: pairs of a component of :data:`costmeter.names.COMPONENTS` and nano-dollars, in
            that order, zeros left out; a single ``request`` of 0 where nobody told what was used of
            a model that is free. Their sum is the cost of the event.
        price: which price was used, such as ``genai-prices 0.2.3:openai/gpt-4o-mini`` or
            ``costmeter.yml:openai/gpt-4o-mini@2026-01-01``.
    """

    components: tuple[tuple[str, int], ...]
    price: str

    @property
    def nano_usd(self) -> int:
        """The whole cost, in nano-dollars."""
        return sum(amount for _, amount in self.components)
