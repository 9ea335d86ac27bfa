"""Budgets from whatever JSON there is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.errors import ConfigError
from costmeter.sidecar.budget_book import checked, document_of, tag
from costmeter.sidecar.config import Config
from tests.sidecar.budgeting import Stack

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
limits = st.dictionaries(
    st.sampled_from(["soft_usd", "hard_usd", "rollover_max_usd", "other"]),
    st.decimals(allow_nan=True) | st.integers() | anything,
)
budget = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("search") | anything,
        "match": st.dictionaries(st.sampled_from(["team", "model", "teem"]), st.text()) | anything,
        "timezone": st.sampled_from(["UTC", "Mars/Olympus"]) | anything,
        "thresholds": st.lists(st.floats()) | anything,
        "policy": st.sampled_from(["warn", "soft", "hard", "none"]) | anything,
        "day": limits | anything,
        "month": limits | anything,
    },
)


@given(budget | anything)
def test_whatever_is_given_is_a_budget_or_refused_in_words(given: object) -> None:
    try:
        found = checked(Config(), "search", given)
    except ConfigError as error:
        told = error.problems
    else:
        told = (tag(document_of(found)),)
        assert checked(Config(), "search", document_of(found)) == found  # as it is kept
    assert all(told)


def test_the_tag_is_that_of_the_content_whatever_its_order() -> None:
    one = {"name": "a", "day": {"soft_usd": "1", "hard_usd": "2"}}
    other = {"day": {"hard_usd": "2", "soft_usd": "1"}, "name": "a"}
    assert tag(one) == tag(other) != tag({"name": "a", "day": {"soft_usd": "1"}})


@pytest.mark.parametrize("text", [r"\ud800", r"\u0000", "\u202e"])
async def test_odd_characters_do_no_harm(budgeting: Stack, text: str) -> None:
    budgeting.start()
    body = f'{{"owner": "{text}", "day": {{"soft_usd": 1}}}}'.encode()
    headers = {"content-type": "application/json"}
    async with budgeting.client("finance") as http:
        answer = await http.put("/v1/budgets/search", content=body, headers=headers)

    if answer.status_code == 201:
        assert answer.json()["budget"]["owner"] == msgspec.json.decode(b'"%b"' % text.encode())
        budgeting.restart()
        assert budgeting.spent("search") == 0
    else:
        assert answer.status_code == 400
        assert answer.json()["errors"]
