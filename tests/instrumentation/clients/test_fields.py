"""Fields of response bodies, and the counts in them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ConfigDict

from costmeter.instrumentation.clients.fields import counts_of, fields_of
from costmeter.usage import MAX_QUANTITY

KEYS = {"prompt_tokens": "input_tokens", "tokens_in": "input_tokens", "seconds": "seconds"}


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    prompt_tokens: int


def test_a_model_has_its_own_fields_and_those_of_a_newer_api() -> None:
    assert fields_of(Model.model_validate({"prompt_tokens": 7, "seconds": 2})) == {
        "prompt_tokens": 7,
        "seconds": 2,
    }


@pytest.mark.parametrize(
    ("thing", "fields"),
    [({"a": 1}, {"a": 1}), (SimpleNamespace(a=1), {"a": 1}), (None, None), (7, None), ("a", None)],
)
def test_a_mapping_and_an_object_have_fields_and_nothing_else_has(
    thing: object, fields: object
) -> None:
    assert fields_of(thing) == fields


def test_counts_stand_under_any_of_their_names_and_zeros_are_left_out() -> None:
    odd: list[str] = []

    assert counts_of({"tokens_in": 7, "seconds": 0, "else": "x"}, KEYS, odd) == {"input_tokens": 7}
    assert counts_of({"prompt_tokens": 3.0, "seconds": None}, KEYS, odd) == {"input_tokens": 3}
    assert odd == []


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, MAX_QUANTITY + 1, [1]])
def test_what_is_no_count_is_named_and_left_out(value: object) -> None:
    odd: list[str] = []

    assert counts_of({"seconds": value}, KEYS, odd) == {}
    assert [told.split()[0] for told in odd] == ["seconds"]


def test_no_part_is_more_than_its_whole() -> None:
    odd: list[str] = []

    assert counts_of({"seconds": 9, "tokens_in": 2}, KEYS, odd, 5) == {
        "seconds": 5,
        "input_tokens": 2,
    }
    assert odd == ["seconds 9, more than the 5 that it is a part of"]
    assert counts_of({"seconds": 9}, KEYS, odd, 0) == {}
