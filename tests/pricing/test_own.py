"""Which entry of ours holds for a model, and when."""

from datetime import UTC, datetime
from typing import Any

from costmeter.pricing.own import Found, OwnPrices
from costmeter.pricing.schema import ModelPrices
from costmeter.pricing.tariff import FOREVER_NS


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


def entry(model: str, **keys: Any) -> ModelPrices:
    return ModelPrices.model_validate(
        {"provider": "openai", "model": model, "usd_per_request": 1, **keys}
    )


def find(entries: list[ModelPrices], model: str, day: str = "2026-06-15") -> Found:
    return OwnPrices(entries).find("openai", (model,), at(day))


def test_an_entry_without_dates_always_holds() -> None:
    always = entry("m")
    assert find([always], "m") == (always, 0, FOREVER_NS)


def test_no_entry_is_none_for_ever() -> None:
    assert find([entry("m")], "other") == (None, 0, FOREVER_NS)
    assert OwnPrices([entry("m")]).find("azure", ("m",), at("2026-06-15")).entry is None


def test_a_later_entry_ends_an_open_one() -> None:
    old, new = entry("m"), entry("m", **{"from": "2026-06-01"})
    assert find([new, old], "m", "2026-05-31") == (old, 0, at("2026-06-01"))
    assert find([new, old], "m", "2026-06-01") == (new, at("2026-06-01"), FOREVER_NS)


def test_between_two_entries_there_is_none_and_it_is_known_until_when() -> None:
    first = entry("m", until="2026-02-01")
    second = entry("m", **{"from": "2026-09-01"})
    assert find([first, second], "m") == (None, at("2026-02-01"), at("2026-09-01"))


def test_a_pattern_holds_where_no_exact_entry_does() -> None:
    pattern, exact = entry("gpt-*"), entry("gpt-4o", until="2026-03-01")
    assert find([pattern, exact], "gpt-4o", "2026-02-01") == (exact, 0, at("2026-03-01"))
    assert find([pattern, exact], "gpt-4o") == (pattern, at("2026-03-01"), FOREVER_NS)
    assert find([pattern, exact], "gpt-5").entry is pattern


def test_of_two_patterns_the_first_written_holds() -> None:
    first, second = entry("gpt-4*"), entry("gpt-*")
    assert find([first, second], "gpt-4o").entry is first
    assert find([second, first], "gpt-4o").entry is second


def test_case_does_not_matter_and_brackets_are_plain() -> None:
    assert find([entry("GPT-4o")], "gpt-4o").entry is not None
    assert find([entry("m[1]*")], "m[1]-x").entry is not None
    assert find([entry("m[1]*")], "m1-x").entry is None


def test_the_entries_in_force_can_be_listed() -> None:
    old, new = entry("m", until="2026-06-01"), entry("m", **{"from": "2026-06-01"})
    pattern = entry("x*")
    assert OwnPrices([old, new, pattern]).entries(at("2026-06-15")) == [new, pattern]
