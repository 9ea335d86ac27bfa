"""Which model answers where another name was asked for, so that failures count beside successes.

A provider answers ``gpt-4o`` with ``gpt-4o-2024-08-06``, and a failed call names no model: under
what it asked for alone it would stand apart from those that did not, and a rate of errors by model
would be of nothing. So a process remembers the last answer to each name. Before the first, the name
asked for is all that is known.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 1000
"""Names that are remembered; a name may be anything that an application asks for."""
_answering: Final[dict[tuple[str, str], str]] = {}


def learn(provider: str, asked: str, answered: str) -> None:
    """Take note of the model that answered where a name was asked for."""
    key = (provider, asked)
    if key in _answering or len(_answering) < MOST:
        _answering[key] = answered


def expected(provider: str, asked: str) -> str:
    """Return the model that answered last where a name was asked for, or else that name."""
    return _answering.get((provider, asked), asked)


def forget() -> None:
    """Remember nothing."""
    _answering.clear()
