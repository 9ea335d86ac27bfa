"""The section ``prices`` of the configuration."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from costmeter.pricing.prices import PIECES
from costmeter.pricing.schema import PricesConfig


def read(text: str) -> PricesConfig:
    return PricesConfig.model_validate(yaml.safe_load(text) or {})


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        read(text)
    return [
        (".".join(map(str, error["loc"])), error["msg"].removeprefix("Value error, "))
        for error in caught.value.errors()
    ]


def test_everything_has_a_default() -> None:
    config = read("")
    assert config.refresh == timedelta(minutes=30)
    assert config.models == ()
    assert config.url.startswith("https://")


def test_amounts_are_the_decimal_numbers_that_were_written() -> None:
    config = read(
        """
        models:
          - provider: openai
            model: gpt-4o-mini
            from: 2026-01-01
            usd_per_million: {input: 0.15, cache_read: "0.075", output: 0.1}
            usd_per_request: 1e-7
        service_tiers: {Batch: 0.3}
        """
    )
    prices = config.models[0].prices()
    assert prices.tokens == {
        "input": Decimal("0.15"),
        "cache_read": Decimal("0.075"),
        "output": Decimal("0.1"),
    }
    assert prices.request == Decimal("0.0000001")
    assert config.service_tiers == {"batch": Decimal("0.3")}


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("'2026-01-01'", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T12:30:00Z", datetime(2026, 1, 1, 12, 30, tzinfo=UTC)),
        ("2026-01-01T12:30:00+02:00", datetime(2026, 1, 1, 10, 30, tzinfo=UTC)),
        ("2026-01-01 12:30:00", datetime(2026, 1, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_is_a_date_or_a_time_in_utc_or_a_zone(written: str, instant: datetime) -> None:
    entry = f"{{provider: x, model: y, local: true, from: {written}}}"
    assert read(f"models: [{entry}]").models[0].from_ == instant


def test_longer_contexts_keep_the_prices_that_they_do_not_name() -> None:
    entry = """
        models:
          - provider: google
            model: own
            usd_per_million: {input: 1.25, cache_read: 0.125, output: 10}
            long_context:
              - {above_input_tokens: 200000, usd_per_million: {input: 2.5, output: 15}}
              - {above_input_tokens: 500000, usd_per_million: {output: 30}}
        """
    assert read(entry).models[0].prices().above == (
        (200_000, {"input": Decimal("2.5"), "cache_read": Decimal("0.125"), "output": 15}),
        (500_000, {"input": Decimal("1.25"), "cache_read": Decimal("0.125"), "output": 30}),
    )


def test_a_local_model_has_explicit_prices_of_zero() -> None:
    prices = read("models: [{provider: vllm, model: '*', local: true}]").models[0].prices()
    assert prices.tokens == {"input": 0, "output": 0}
    assert prices.pieces == dict.fromkeys((piece.price for piece in PIECES.values()), 0)
    assert prices.request == 0


def test_refreshing_can_be_switched_off() -> None:
    assert read("refresh: off").refresh is None
    assert read("refresh: 'off'").refresh is None
    assert read("refresh: 1h").refresh == timedelta(hours=1)


def test_an_alias_is_a_name_or_says_more() -> None:
    aliases = read(
        """
        aliases:
          deepseek-v3: deepseek-chat
          chat-prod: {model: gpt-4o, when_provider: azure.ai.openai}
          gpt-*: {model: gpt-4o, provider: openai}
        """
    ).aliases
    assert aliases["deepseek-v3"].model == "deepseek-chat"
    assert aliases["chat-prod"].when_provider == "azure.ai.openai"
    assert aliases["gpt-*"].provider == "openai"


ENTRY = "provider: openai, model: m, usd_per_million: {input: 1}"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "models: [{provider: p, model: m, usd_per_million: {input: -0.15}}]",
            "models.0.usd_per_million.input",
            "an amount is from 0 to 1000000",
        ),
        (
            "models: [{provider: p, model: m, usd_per_million: {output: free}}]",
            "models.0.usd_per_million.output",
            "an amount is a number, such as 0.15",
        ),
        (
            "models: [{provider: p, model: m, usd_per_million: {output: .nan}}]",
            "models.0.usd_per_million.output",
            "an amount is from 0 to 1000000",
        ),
        (
            "models: [{provider: p, model: m, usd_per_million: {output: true}}]",
            "models.0.usd_per_million.output",
            "an amount is a number, such as 0.15",
        ),
        (
            "models: [{provider: p, model: m, usd_per_million: {}}]",
            "models.0.usd_per_million",
            "no price is given",
        ),
        (
            "models: [{provider: p, model: m}]",
            "models.0",
            "no price is given; a model on own machines has local: true",
        ),
        (
            "models: [{provider: p, model: m, local: true, usd_per_request: 1}]",
            "models.0",
            "local: true is a price of 0; it stands with no other price",
        ),
        (
            f"models: [{{{ENTRY}, from: 2026-02-01, until: 2026-01-01}}]",
            "models.0",
            "until: 2026-01-01 is not after from 2026-02-01",
        ),
        (
            f"models: [{{{ENTRY}, from: soon}}]",
            "models.0.from",
            "an instant is a date such as 2026-01-01, or a date and a time",
        ),
        (
            "models: [{provider: p, model: m, usd_per_request: 1, long_context: ["
            "{above_input_tokens: 1, usd_per_million: {input: 1}}]}]",
            "models.0",
            "long_context needs usd_per_million for shorter requests",
        ),
        (
            f"models: [{{{ENTRY}, long_context: ["
            "{above_input_tokens: 9, usd_per_million: {input: 1}}, "
            "{above_input_tokens: 9, usd_per_million: {input: 1}}]}]",
            "models.0",
            "long_context: above_input_tokens [9, 9] do not rise",
        ),
        ("refresh: 10s", "refresh", "prices are fetched once a minute at most"),
        ("url: ftp://x", "url", "an address begins with https:// or http://"),
        ("aliases: {a: b, b: c}", "aliases", "a: b is itself an alias; name the model"),
    ],
)
def test_a_wrong_value_is_told_with_its_path(text: str, path: str, message: str) -> None:
    assert problems(text) == [(path, message)]


@pytest.mark.parametrize(
    "text",
    [
        "model: []",
        "models: [{provider: p, model: m, local: true, usd_per_millions: {input: 1}}]",
        "models: [{provider: p, model: m, usd_per_million: {inputs: 1}}]",
        "providers: {openai: {same: azure}}",
    ],
)
def test_an_unknown_key_is_an_error(text: str) -> None:
    assert [message for _, message in problems(text)] == ["Extra inputs are not permitted"]


def dated(*spans: tuple[str, str]) -> dict[str, Any]:
    entries = []
    for start, end in spans:
        entry: dict[str, Any] = {"provider": "openai", "model": "m", "usd_per_request": 1}
        entry |= {"from": start} if start else {}
        entry |= {"until": end} if end else {}
        entries.append(entry)
    return {"models": entries}


@pytest.mark.parametrize(
    "spans",
    [
        [("", ""), ("2026-01-01", "")],  # an open entry ends where the next begins
        [("2026-01-01", ""), ("2026-06-01", "")],
        [("2026-01-01", "2026-06-01"), ("2026-06-01", "2026-07-01")],
        [("2026-06-01", ""), ("", "2026-06-01")],
    ],
)
def test_entries_of_a_model_may_follow_each_other(spans: list[tuple[str, str]]) -> None:
    PricesConfig.model_validate(dated(*spans))


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([("", ""), ("", "")], "models[0] and models[1] both price openai/m"),
        (
            [("2026-01-01", ""), ("2026-01-01", "")],
            "models[0] and models[1] both price openai/m from 2026-01-01",
        ),
        (
            [("2026-03-01", ""), ("2026-01-01", "2026-04-01")],
            "models[1] and models[0] both price openai/m from 2026-03-01",
        ),
    ],
)
def test_entries_that_price_a_model_at_the_same_time_are_told(
    spans: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        PricesConfig.model_validate(dated(*spans))
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {message}"]


def test_the_same_model_under_two_names_of_its_provider_is_a_conflict() -> None:
    text = """
        models:
          - {provider: azure.ai.openai, model: GPT-4o, usd_per_request: 1}
          - {provider: azure, model: gpt-4o, usd_per_request: 2}
        """
    assert problems(text) == [("", "models[0] and models[1] both price azure/gpt-4o")]
