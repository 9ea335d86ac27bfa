"""A metered client of the real botocore, and a stand-in for Bedrock over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import costmeter
from costmeter.instrumentation.clients import begun
from tests.instrumentation.clients.bedrock.asking import client_of
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import Bedrock, serving_bedrock


@pytest.fixture(scope="module")
def served() -> Iterator[Bedrock]:
    with serving_bedrock() as bedrock:
        yield bedrock


@pytest.fixture
def bedrock(served: Bedrock) -> Bedrock:
    served.answers.clear()
    served.paths.clear()
    return served


@pytest.fixture
def metered(recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("botocore")
    yield
    costmeter.uninstrument("botocore")
    begun.forget()


@pytest.fixture
def runtime(bedrock: Bedrock, metered: None) -> Any:
    """A metered client of ``bedrock-runtime``."""
    client = client_of(bedrock.url)
    yield client
    client.close()
