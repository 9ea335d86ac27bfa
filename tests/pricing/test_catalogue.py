"""genai-prices behind our interface, against genai-prices itself."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from genai_prices.types import ModelInfo, ModelPrice, Usage
from hypothesis import given, settings
from hypothesis import strategies as st

from costmeter.errors import PricingError
from costmeter.pricing.catalogue import Catalogue, Model
from costmeter.pricing.tariff import FOREVER_NS, Priced

BUNDLED = Catalogue.bundled()
MODELS = list(BUNDLED.models())
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


def their_nano_usd(model: Model, usage: dict[str, int], at: datetime) -> Fraction:
    owner = next(p for p in BUNDLED._all if p.id == model.provider)
    keys = {"reasoning_tokens": "output_reasoning_tokens"}
    theirs = Usage(**{keys.get(key, key): amount for key, amount in usage.items()})
    total = model.info.calc_price(theirs, owner, genai_request_timestamp=at).total_price
    return Fraction(total) * 10**9


def our_nano_usd(model: Model, usage: dict[str, int], at: datetime) -> int | None:
    quote = BUNDLED.quote(model, "", nanoseconds(at))
    if quote.prices is None:
        return None
    charge = Priced(quote.prices, "test").charge(usage)
    return None if charge is None else charge.nano_usd


def test_the_whole_catalogue_costs_what_it_costs_by_its_own_calculation() -> None:
    """Every model, with the usage that any chat has: equal, but for the rounding of 4 components.

    Three deliberate differences, each because unknown is not zero:

    - a model without any price, which genai-prices calculates as 0,
    - a model that is billed by the hour, the character or the page only, likewise (a chat with it
      tells none of these),
    - output of a model without an output price (embeddings), likewise.
    """
    usage = {
        "input_tokens": 123_457,
        "cache_read_tokens": 45_679,
        "output_tokens": 3_457,
        "reasoning_tokens": 1_235,
    }
    without_output = {key: usage[key] for key in ("input_tokens", "cache_read_tokens")}
    same = unpriced = no_output = 0
    for model in MODELS:
        theirs = their_nano_usd(model, usage, TODAY)
        ours = our_nano_usd(model, usage, TODAY)
        if ours is not None:
            assert abs(ours - theirs) <= 2, model.name
            same += 1
            continue
        ours = our_nano_usd(model, without_output, TODAY)
        if ours is None:
            assert theirs == 0, model.name
            unpriced += 1
        else:
            assert abs(ours - their_nano_usd(model, without_output, TODAY)) <= 1, model.name
            no_output += 1
    assert same > 2000
    assert (unpriced < 250, no_output < 150) == (True, True)
    assert same + unpriced + no_output == len(MODELS)


PLAIN = [
    model
    for model in MODELS
    if (quote := BUNDLED.quote(model, "", nanoseconds(TODAY))).prices is not None
    and "output" in quote.prices.tokens
    and not {"cache_audio_read", "reasoning"} & quote.prices.tokens.keys()
]


@st.composite
def chats(draw: st.DrawFn) -> dict[str, int]:
    text, reads, writes, hour = (draw(st.integers(0, 400_000)) for _ in range(4))
    written, reasoning = draw(st.integers(0, 50_000)), draw(st.integers(0, 50_000))
    return {
        "input_tokens": text + reads + writes + hour,
        "cache_read_tokens": reads,
        "cache_write_tokens": writes + hour,
        "cache_write_1h_tokens": hour,
        "output_tokens": written + reasoning,
        "reasoning_tokens": reasoning,
    }


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLAIN), chats(), st.integers(0, 700))
def test_any_chat_at_any_time_costs_what_it_costs_by_their_calculation(
    model: Model, usage: dict[str, int], days: int
) -> None:
    at = TODAY - timedelta(days=days, hours=days % 24)
    ours = our_nano_usd(model, usage, at)
    theirs = their_nano_usd(model, usage, at)
    if ours is None:  # an older price of the model lacks something that was used
        return
    assert abs(ours - theirs) <= 3


def find(provider: str, *names: str) -> Model:
    model = BUNDLED.find(provider, names)
    assert model is not None
    return model


def test_a_model_is_found_by_the_best_spelling() -> None:
    assert find("openai", "gpt-4o-mini-2024-07-18").name == "openai/gpt-4o-mini"
    assert find("openai", "nonsense", "gpt-4o").name == "openai/gpt-4o"
    assert BUNDLED.find("openai", ("nonsense",)) is None
    assert BUNDLED.find("nobody", ("gpt-4o",)) is None


def test_a_model_sold_by_another_provider_has_the_standard_price_only() -> None:
    model = find("azure", "gpt-4o")
    quote = BUNDLED.quote(model, "batch", nanoseconds(TODAY))
    assert not model.variants
    assert not quote.published
    assert quote.prices is not None
    assert quote.prices.tokens["input"] == Decimal("2.5")


class TestValidity:
    @staticmethod
    def span(model: Model, at: str) -> tuple[str, str]:
        quote = BUNDLED.quote(model, "", nanoseconds(datetime.fromisoformat(at + "+00:00")))

        def shown(ns: int) -> str:
            if ns in {0, FOREVER_NS}:
                return ""
            return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%dT%H:%M}"

        return shown(quote.start_ns), shown(quote.end_ns)

    def test_one_price_for_ever(self) -> None:
        assert self.span(find("groq", "llama-3.1-8b-instant"), "2026-01-01T00:00") == ("", "")

    def test_dated_prices_change_at_midnight_in_utc(self) -> None:
        o3 = find("openai", "o3")
        assert self.span(o3, "2025-06-09T23:59") == ("", "2025-06-10T00:00")
        assert self.span(o3, "2025-06-10T00:00") == ("2025-06-10T00:00", "2026-10-12T00:00")

    def test_windows_of_the_day_begin_and_end(self) -> None:
        chat = find("deepseek", "deepseek-chat")
        assert self.span(chat, "2025-08-01T10:00") == ("2025-08-01T00:30", "2025-08-01T16:30")
        assert self.span(chat, "2025-08-01T16:30") == ("2025-08-01T16:30", "2025-08-02T00:30")
        assert self.span(chat, "2025-08-02T00:29") == ("2025-08-01T16:30", "2025-08-02T00:30")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([model for model in MODELS if not isinstance(model.info.prices, ModelPrice)]),
    st.integers(1_700_000_000, 1_830_000_000),  # seconds, from November 2023 to December 2027
    st.floats(0, 1, exclude_max=True),
)
def test_prices_are_the_same_for_as_long_as_they_are_said_to_hold(
    model: Model, second: int, share: float
) -> None:
    time_ns = second * 10**9
    quote = BUNDLED.quote(model, "", time_ns)
    start_ns, end_ns = max(quote.start_ns, 0), min(quote.end_ns, 2 * 10**18)
    assert quote.start_ns <= time_ns < quote.end_ns
    other = start_ns + int((end_ns - start_ns) * share)
    assert BUNDLED.quote(model, "", other).prices == quote.prices


class TestServiceTiers:
    def test_a_published_price_for_the_tier_is_used(self) -> None:
        quote = BUNDLED.quote(find("openai", "gpt-4o"), "priority", nanoseconds(TODAY))
        assert quote.published
        assert quote.prices is not None
        assert quote.prices.tokens["output"] == 17

    def test_what_the_tier_leaves_out_keeps_its_standard_price(self) -> None:
        # OpenAI's batch table has no cached price for it, so cached input stays at 1.25.
        quote = BUNDLED.quote(find("openai", "gpt-4o"), "batch", nanoseconds(TODAY))
        assert quote.prices is not None
        assert quote.prices.tokens["input"] == Decimal("1.25")
        assert quote.prices.tokens["cache_read"] == Decimal("1.25")

    def test_the_first_known_price_also_holds_before_it_was_looked_up(self) -> None:
        before = nanoseconds(datetime(2026, 3, 1, tzinfo=UTC))  # dated 2026-10-12 there
        quote = BUNDLED.quote(find("openai", "gpt-4o"), "priority", before)
        assert quote.published
        assert quote.prices is not None
        assert quote.prices.tokens["output"] == 17

    def test_but_not_before_the_standard_price_was_another(self) -> None:
        model = find("openai", "gpt-5.6-sol")  # its standard price changed on 2026-08-21
        changed = nanoseconds(datetime(2026, 8, 21, tzinfo=UTC))
        assert BUNDLED.quote(model, "priority", changed).published
        assert not BUNDLED.quote(model, "priority", changed - 1).published

    def test_an_unknown_tier_is_not_published(self) -> None:
        quote = BUNDLED.quote(find("openai", "gpt-4o"), "scale", nanoseconds(TODAY))
        assert not quote.published

    def test_anthropics_fast_mode_is_a_tier(self) -> None:
        quote = BUNDLED.quote(find("anthropic", "claude-opus-5"), "fast", nanoseconds(TODAY))
        assert quote.prices is not None
        assert (quote.published, quote.prices.tokens["output"]) == (True, 50)


def test_a_price_per_request_and_per_search_is_of_one() -> None:
    prices = BUNDLED.quote(find("perplexity", "sonar"), "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.request == Decimal("0.012")
    prices = BUNDLED.quote(find("openai", "gpt-4o"), "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.pieces["web_search"] == Decimal("0.01")


def test_a_model_without_a_price_has_no_prices() -> None:
    found = find("openai", "omni-moderation-latest")
    assert BUNDLED.quote(found, "", nanoseconds(TODAY)).prices is None


def test_pages_are_billed_by_the_piece_and_at_half_the_price_in_a_batch() -> None:
    found = find("mistral", "mistral-ocr-4-1")
    prices = BUNDLED.quote(found, "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.pieces == {"page": Decimal("0.004"), "annotated_page": Decimal("0.005")}
    prices = BUNDLED.quote(found, "batch", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.pieces == {"page": Decimal("0.002"), "annotated_page": Decimal("0.0025")}


def test_speech_and_audio_are_billed_by_characters_and_hours() -> None:
    prices = BUNDLED.quote(find("openai", "tts-1-hd"), "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.pieces == {"million_characters": Decimal(30)}
    prices = BUNDLED.quote(find("openai", "whisper-1"), "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.pieces == {"audio_hour": Decimal("0.36")}


def test_audio_billed_by_the_hour_has_no_price_per_token() -> None:
    prices = BUNDLED.quote(find("mistral", "voxtral-small-latest"), "", nanoseconds(TODAY)).prices
    assert prices is not None
    assert prices.tokens["input_audio"] is None
    assert prices.tokens["input"] == Decimal("0.1")


def test_the_bundled_catalogue_is_no_older_than_its_newest_price_in_force() -> None:
    day = nanoseconds(datetime(2026, 3, 13, tzinfo=UTC))
    assert BUNDLED.newest_price_ns(day) == day  # the day of Claude Opus 4.6's flat price
    assert BUNDLED.newest_price_ns(0) == 0


class TestPublishedFile:
    @staticmethod
    def document() -> list[dict[str, Any]]:
        return [
            {
                "id": "openai",
                "name": "OpenAI",
                "api_pattern": "https://api\\.openai\\.com",
                "models": [
                    {
                        "id": "gpt-4o",
                        "match": {"equals": "gpt-4o"},
                        "prices": {"input_mtok": 2.35, "output_mtok": 9.9},
                    }
                ],
            }
        ]

    def parse(self, document: object) -> Catalogue:
        return Catalogue.parse(json.dumps(document).encode())

    def test_its_prices_are_the_numbers_that_it_writes(self) -> None:
        catalogue = self.parse(self.document())
        model = catalogue.find("openai", ("gpt-4o",))
        assert model is not None
        prices = catalogue.quote(model, "", 0).prices
        assert prices is not None
        assert prices.tokens == {"input": Decimal("2.35"), "output": Decimal("9.9")}
        assert catalogue.origin == "refreshed"

    def test_its_version_is_its_content(self) -> None:
        first, second = self.document(), self.document()
        second[0]["models"][0]["prices"]["input_mtok"] = 2.36
        assert self.parse(first).version == self.parse(self.document()).version
        assert self.parse(first).version != self.parse(second).version
        assert self.parse(first).version.startswith("sha256-")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "cannot be read"),
            (b"<html>not found</html>", "cannot be read"),
            (b'{"id": 1}', "not a list of providers"),
            (b"[]", "not a list of providers"),
            (b"[1]", "cannot be read"),
            (b'[{"id": "openai"}]', "cannot be read"),
            (b"[" * 100_000, "cannot be read"),
            (b"\xff\xfe", "cannot be read"),
        ],
    )
    def test_something_else_is_refused(self, body: bytes, message: str) -> None:
        with pytest.raises(PricingError, match=message):
            Catalogue.parse(body)

    @pytest.mark.parametrize("price", [-1, "NaN", "Infinity", {"base": -1, "tiers": []}, "cheap"])
    def test_a_price_that_makes_no_sense_is_refused(self, price: object) -> None:
        document = self.document()
        document[0]["models"][0]["prices"]["input_mtok"] = price
        with pytest.raises(PricingError):
            self.parse(document)

    def test_a_catalogue_without_prices_is_refused(self) -> None:
        document = self.document()
        document[0]["models"][0]["prices"] = {}
        with pytest.raises(PricingError, match="name no model with a price"):
            self.parse(document)


@pytest.fixture(autouse=True)
def their_own_prices_are_untouched() -> Iterator[None]:
    before = [model.info.prices for model in MODELS[:50]]
    yield
    assert [model.info.prices for model in MODELS[:50]] == before
    assert all(isinstance(model.info, ModelInfo) for model in MODELS[:50])
