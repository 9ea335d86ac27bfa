"""Every call of litellm that docs/sdks.md lists, made by litellm, and read from the journal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.instrumentation.clients.calls.litellm import serving_all
from tests.instrumentation.clients.calls.making import make, make_async, metering
from tests.instrumentation.clients.calls.page import BESIDE
from tests.instrumentation.clients.calls.sdk import Case, Standin, cases, sdk_of
from tests.instrumentation.clients.conftest import Recorded

CASES = [case for name in BESIDE for case in cases(sdk_of(name))]


@pytest.fixture(scope="module")
def serving() -> Iterator[Standin]:
    with serving_all() as standin:
        yield standin


@pytest.mark.parametrize("case", [case for case in CASES if not case.asynchronous], ids=str)
def test_a_call_is_recorded_as_the_page_says(
    case: Case, serving: Standin, recorded: Recorded
) -> None:
    with metering(case, serving):
        make(case, serving, recorded)


@pytest.mark.parametrize("case", [case for case in CASES if case.asynchronous], ids=str)
async def test_a_call_by_asyncio_is_recorded_as_the_page_says(
    case: Case, serving: Standin, recorded: Recorded
) -> None:
    with metering(case, serving):
        await make_async(case, serving, recorded)
