"""Receivers of what Alertmanager sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alertmanager.inbox import Hooks, Mailbox


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        yield server
