"""The fake pipeline as a fixture, and golden files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sidecar.server import FakePipeline

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # another directory's conftest has it already
        parser.addoption("--update-golden", action="store_true", help="write golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Compare with a file of ``golden/``; ``pytest --update-golden`` writes it."""

    def compare(name: str, content: bytes) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        assert content.decode() == path.read_text("utf-8")

    return compare


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()
