"""Charging by compiled prices."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.names import COMPONENTS
from costmeter.pricing.prices import PIECES, Prices, token_price
from costmeter.pricing.tariff import Priced, Unpriced, charge_known
from costmeter.pricing.tokens import KINDS, count
from costmeter.usage import USAGE_KEYS

COMPONENT_OF = {
    "input": "input",
    "cache_read": "cache_read",
    "cache_audio_read": "cache_read",
    "cache_write": "cache_write",
    "cache_write_1h": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "input_audio": "audio",
    "output_audio": "audio",
    "input_image": "image",
    "output_image": "image",
}

amounts = st.decimals(0, 1000, places=6)
BY_THE_PIECE = tuple(piece.price for piece in PIECES.values())
multipliers = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.67"), Decimal("1.75")])
all_tokens = st.fixed_dictionaries(
    {"input": amounts, "output": amounts},
    optional={kind: amounts for kind in KINDS if kind not in {"input", "output"}},
)
usages = st.dictionaries(st.sampled_from(USAGE_KEYS), st.integers(0, 10**9), max_size=16)


def usd(**prices: str) -> dict[str, Decimal | None]:
    return {kind: Decimal(price) for kind, price in prices.items()}


def charged(prices: Prices, usage: dict[str, int], multiplier: str = "1") -> dict[str, int] | None:
    charge = Priced(prices, "test", Decimal(multiplier)).charge(usage)
    return None if charge is None else dict(charge.components)


def half_even(exact: Fraction) -> int:
    return round(exact)  # Python rounds fractions half to even


class TestComponents:
    def test_each_kind_of_token_has_its_price_and_its_component(self) -> None:
        prices = Prices(
            tokens=usd(
                input="1", cache_read="0.1", cache_audio_read="0.2", cache_write="1.25",
                cache_write_1h="2", output="5", reasoning="6", input_audio="10",
                output_audio="20", input_image="3", output_image="30",
            ),
            pieces={
                "image": Decimal("0.04"),
                "web_search": Decimal("0.01"),
                "audio_hour": Decimal("0.36"),
                "million_characters": Decimal(15),
                "search_unit": Decimal("0.002"),
                "video_second": Decimal("0.1"),
                "file_search": Decimal("0.0025"),
                "container_session": Decimal("0.03"),
                "million_training_tokens": Decimal(25),
                "page": Decimal("0.004"),
                "annotated_page": Decimal("0.005"),
                "classification": Decimal("0.00005"),
                "million_cached_token_hours": Decimal("4.5"),
                "text_unit": Decimal("0.00015"),
            },
            request=Decimal("0.005"),
        )  # fmt: skip
        usage = {
            "input_tokens": 1000, "cache_read_tokens": 300, "cache_audio_read_tokens": 100,
            "cache_write_tokens": 150, "cache_write_1h_tokens": 50, "input_audio_tokens": 250,
            "input_image_tokens": 40, "output_tokens": 500, "reasoning_tokens": 200,
            "output_audio_tokens": 90, "output_image_tokens": 10, "images": 2, "web_searches": 3,
            "input_audio_seconds": 90, "input_characters": 200, "search_units": 2,
            "output_video_seconds": 8, "file_searches": 4, "container_sessions": 2,
            "training_tokens": 1000, "input_pages": 5, "annotated_pages": 3, "classifications": 7,
            "cached_token_seconds": 2000 * 3600, "text_units": 4,
        }  # fmt: skip
        assert charged(prices, usage) == {
            "input": 360 * 1000 + 200 * 15_000 + 5 * 4_000_000 + 3 * 5_000_000 + 7 * 50_000,
            "cache_read": 200 * 100 + 100 * 200,
            "cache_write": 100 * 1250 + 50 * 2000,
            "output": 200 * 5000,
            "reasoning": 200 * 6000,
            "audio": 150 * 10_000 + 90 * 20_000 + 90 * 100_000,
            "image": 40 * 3000 + 10 * 30_000 + 2 * 40_000_000 + 8 * 100_000_000,
            "tool": 3 * 10_000_000 + 4 * 2_500_000 + 2 * 30_000_000 + 4 * 150_000,
            "request": 2 * 2_000_000 + 5_000_000,
            "compute": 1000 * 25_000,
            "storage": 2000 * 4500,
        }

    def test_what_is_no_tokens_comes_in_its_place_too(self) -> None:
        prices = Prices(
            tokens=usd(input="1", output="1"),
            pieces={
                "audio_hour": Decimal("3.6"),
                "million_characters": Decimal(1),
                "search_unit": Decimal(1),
            },
        )
        charge = Priced(prices, "test").charge(
            {"search_units": 1, "input_characters": 3, "input_audio_seconds": 2, "output_tokens": 4}
        )
        assert charge is not None
        assert charge.components == (
            ("input", 3000), ("output", 4000), ("audio", 2_000_000), ("request", 10**9),
        )  # fmt: skip

    def test_components_come_in_their_order_without_zeros(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1", cache_read="0", input_audio="2"))
        charge = Priced(prices, "test").charge(
            {"input_tokens": 30, "cache_read_tokens": 10, "input_audio_tokens": 10,
             "output_tokens": 7, "reasoning_tokens": 2}
        )  # fmt: skip
        assert charge is not None
        assert charge.components == (
            ("input", 10_000), ("output", 5000), ("reasoning", 2000), ("audio", 20_000),
        )  # fmt: skip
        assert charge.nano_usd == 37_000
        assert charge.price == "test"

    def test_a_free_model_costs_nothing_and_says_by_which_price(self) -> None:
        charge = Priced(Prices(tokens=usd(input="0", output="0")), "local").charge(
            {"input_tokens": 10**9, "output_tokens": 10**9}
        )
        assert charge == ((), "local")

    def test_a_free_model_costs_nothing_whatever_it_was_that_nobody_told(self) -> None:
        free = Priced(Prices(request=Decimal(0)), "free")
        assert free.charge({}) == ((("request", 0),), "free")
        assert free.charge({"input_tokens": 1}) is None  # not what it was said to be free for

    def test_a_million_dollars_and_a_billionth_are_both_exact(self) -> None:
        prices = Prices(tokens=usd(input="1000000", output="0.001"))
        assert charged(prices, {"input_tokens": 10**6, "output_tokens": 1}) == {
            "input": 10**15,
            "output": 1,
        }


class TestRounding:
    @pytest.mark.parametrize(
        ("tokens", "nano"), [(1, 0), (3, 2), (5, 2), (7, 4), (9, 4)], ids=lambda n: f"{n}"
    )
    def test_a_half_nano_dollar_goes_to_the_even_one(self, tokens: int, nano: int) -> None:
        prices = Prices(tokens=usd(input="0.0005", output="1"))  # half a nano-dollar a token
        assert charged(prices, {"input_tokens": tokens}) == ({"input": nano} if nano else {})

    def test_a_component_is_summed_before_it_is_rounded(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1", cache_write="0.0004"))
        usage = {"input_tokens": 2, "cache_write_tokens": 2, "cache_write_1h_tokens": 1}
        assert charged(prices, usage) == {"cache_write": 1}  # 0.4 + 0.4, not 0 + 0

    def test_a_third_of_a_nano_dollar_is_a_third(self) -> None:
        prices = Prices(
            tokens=usd(input="0.001", output="1"), pieces={"web_search": Decimal("0.01") / 3}
        )
        assert charged(prices, {"web_searches": 3}) == {"tool": 10_000_000}

    def test_an_hour_of_audio_is_3600_seconds_however_odd_its_price(self) -> None:
        prices = Prices(
            pieces={"audio_hour": Decimal("0.111")}
        )  # 30,833 and a third nano-dollars a second
        assert charged(prices, {"input_audio_seconds": 3}) == {"audio": 92_500}
        assert charged(prices, {"input_audio_seconds": 1}) == {"audio": 30_833}


class TestMissingPrices:
    def test_a_kind_without_a_price_has_its_parents(self) -> None:
        tokens = usd(input="1", output="2")
        assert {kind: token_price(tokens, kind) for kind in KINDS} == {
            kind: Decimal(2 if "output" in kind or kind == "reasoning" else 1) for kind in KINDS
        }
        assert token_price(usd(input="1", cache_write="1.25"), "cache_write_1h") == Decimal("1.25")

    def test_cached_audio_has_the_price_of_cached_text_or_else_of_audio(self) -> None:
        assert token_price(
            usd(input="1", cache_read="0.1", input_audio="10"), "cache_audio_read"
        ) == Decimal("0.1")
        assert token_price(usd(input="1", input_audio="10"), "cache_audio_read") == Decimal(10)

    def test_output_of_a_model_without_an_output_price_is_unpriced(self) -> None:
        embedding = Prices(tokens=usd(input="0.02"))
        assert charged(embedding, {"input_tokens": 5}) == {"input": 100}
        assert charged(embedding, {"input_tokens": 5, "output_tokens": 1}) is None

    def test_audio_that_is_billed_by_the_hour_is_unpriced_as_tokens(self) -> None:
        prices = Prices(tokens={**usd(input="1", output="1"), "input_audio": None})
        assert charged(prices, {"input_tokens": 5}) == {"input": 5000}
        assert charged(prices, {"input_tokens": 5, "input_audio_tokens": 1}) is None
        assert token_price(prices.tokens, "cache_audio_read") is None

    def test_a_search_without_a_price_is_unpriced(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1"))
        assert charged(prices, {"input_tokens": 1, "web_searches": 1}) is None

    @pytest.mark.parametrize(
        "key",
        [
            "input_audio_seconds",
            "input_characters",
            "search_units",
            "output_video_seconds",
            "file_searches",
            "container_sessions",
            "training_tokens",
            "input_pages",
            "annotated_pages",
            "classifications",
            "cached_token_seconds",
            "text_units",
        ],
    )
    def test_what_is_no_tokens_and_has_no_price_is_unpriced(self, key: str) -> None:
        prices = Prices(tokens=usd(input="1", output="1"))
        assert charged(prices, {"input_tokens": 1, key: 1}) is None

    def test_images_without_a_price_each_are_in_their_tokens_or_unpriced(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1"))
        assert charged(prices, {"output_tokens": 4, "images": 1}) == {"output": 4000}
        assert charged(prices, {"input_tokens": 4, "images": 1}) is None

    def test_an_unpriced_model_charges_nothing_at_all(self) -> None:
        assert Unpriced().charge({}) is None
        assert Unpriced().charge({"input_tokens": 1}) is None


class TestRequestFee:
    def test_of_what_is_told_what_has_a_price_is_known_and_pays_the_fee_once(self) -> None:
        film = Priced(Prices(pieces={"video_second": Decimal("0.4")}, request=Decimal("0.01")), "")
        told = {"input_tokens": 100, "output_tokens": 1024, "output_video_seconds": 8}
        known = charge_known(film, told)
        assert known is not None
        assert known.nano_usd == 8 * 400_000_000 + 10_000_000
        chat = Priced(Prices(tokens=usd(input="1", output="1")), "")
        known = charge_known(chat, {"input_tokens": 100, "images": 2})
        assert known is not None
        assert known.nano_usd == 100_000

    def test_what_is_free_beside_what_has_no_price_is_not_known_to_be_free(self) -> None:
        free = Priced(Prices(tokens=usd(input="0", output="0")), "free")
        assert charge_known(free, {"input_tokens": 100, "images": 2}) is None
        assert charge_known(Unpriced(), {"input_tokens": 100}) is None

    def test_a_request_that_used_something_pays_the_fee(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1"), request=Decimal("0.012"))
        assert charged(prices, {"input_tokens": 1}) == {"input": 1000, "request": 12_000_000}

    def test_a_failed_request_that_used_nothing_pays_none(self) -> None:
        prices = Prices(tokens=usd(input="1", output="1"), request=Decimal("0.012"))
        assert charged(prices, {}) == {}
        assert charged(prices, {"input_tokens": 0, "output_tokens": 0}) == {}

    def test_a_model_with_nothing_but_a_fee_takes_it_from_every_request(self) -> None:
        assert charged(Prices(request=Decimal("0.01")), {}) == {"request": 10_000_000}

    def test_a_service_tier_multiplies_what_is_used_but_no_fee(self) -> None:
        prices = Prices(
            tokens=usd(input="1", output="3"),
            pieces={
                "image": Decimal("0.04"),
                "web_search": Decimal("0.01"),
                "file_search": Decimal("0.0025"),
                "container_session": Decimal("0.03"),
            },
            request=Decimal("0.005"),
        )
        usage = {
            "input_tokens": 10, "output_tokens": 5, "images": 1, "web_searches": 1,
            "file_searches": 1, "container_sessions": 1,
        }  # fmt: skip
        assert charged(prices, usage, "0.5") == {
            "input": 5000,
            "output": 7500,
            "image": 20_000_000,
            "tool": 10_000_000 + 2_500_000 + 15_000_000,
            "request": 5_000_000,
        }


class TestContextLength:
    PRICES = Prices(
        tokens=usd(input="1", cache_read="0.1", output="4"),
        above=(
            (100, usd(input="2", cache_read="0.2", output="6")),
            (1000, usd(input="3", cache_read="0.3", output="8")),
        ),
    )

    @pytest.mark.parametrize(
        ("length", "per_input", "per_output"),
        [(100, 1000, 4000), (101, 2000, 6000), (1000, 2000, 6000), (1001, 3000, 8000)],
    )
    def test_all_tokens_of_a_longer_request_have_the_higher_price(
        self, length: int, per_input: int, per_output: int
    ) -> None:
        usage = {"input_tokens": length, "output_tokens": 5}
        assert charged(self.PRICES, usage) == {
            "input": length * per_input,
            "output": 5 * per_output,
        }

    def test_cached_tokens_count_for_the_length(self) -> None:
        usage = {"input_tokens": 101, "cache_read_tokens": 101}
        assert charged(self.PRICES, usage) == {"cache_read": 101 * 200}

    def test_the_output_does_not_count_for_the_length(self) -> None:
        usage = {"input_tokens": 100, "output_tokens": 10_000}
        assert charged(self.PRICES, usage) == {"input": 100_000, "output": 40_000_000}

    def test_the_length_is_the_sum_of_the_parts_where_they_exceed_the_input(self) -> None:
        usage = {"input_tokens": 10, "cache_read_tokens": 90, "cache_write_tokens": 11}
        assert charged(self.PRICES, usage) == {"cache_read": 90 * 200, "cache_write": 11 * 2000}


@given(all_tokens, multipliers, usages)
def test_components_are_the_rounded_sums_of_exact_parts(
    tokens: dict[str, Decimal | None], multiplier: Decimal, usage: dict[str, int]
) -> None:
    image, search, fee = Decimal("0.0401"), Decimal("0.0025"), Decimal("0.0000000005")
    hour, characters, unit = Decimal("0.111"), Decimal("15.5"), Decimal("0.0000000001")
    second, files = Decimal("0.3"), Decimal("0.0025")
    container, training = Decimal("0.03"), Decimal("12.5")
    page, annotated, label = Decimal("0.0015"), Decimal("0.0025"), Decimal("0.00005")
    kept, screened = Decimal("4.5"), Decimal("0.00015")
    prices = Prices(
        tokens=tokens,
        pieces={
            "image": image,
            "web_search": search,
            "audio_hour": hour,
            "million_characters": characters,
            "search_unit": unit,
            "video_second": second,
            "file_search": files,
            "container_session": container,
            "million_training_tokens": training,
            "page": page,
            "annotated_page": annotated,
            "classification": label,
            "million_cached_token_hours": kept,
            "text_unit": screened,
        },
        request=fee,
    )
    charge = Priced(prices, "test", multiplier).charge(usage)
    assert charge is not None

    exact = dict.fromkeys(COMPONENTS, Fraction(0))
    for kind, used in zip(KINDS, count(usage), strict=True):
        price = token_price(tokens, kind)
        assert price is not None
        exact[COMPONENT_OF[kind]] += used * Fraction(price) * Fraction(multiplier) * 1000
    exact["image"] += usage.get("images", 0) * Fraction(image) * Fraction(multiplier) * 10**9
    film = usage.get("output_video_seconds", 0) * Fraction(second)
    exact["image"] += film * Fraction(multiplier) * 10**9
    exact["tool"] += usage.get("web_searches", 0) * Fraction(search) * 10**9
    exact["tool"] += usage.get("file_searches", 0) * Fraction(files) * 10**9
    started = usage.get("container_sessions", 0) * Fraction(container)
    exact["tool"] += started * Fraction(multiplier) * 10**9
    trained = usage.get("training_tokens", 0) * Fraction(training)
    exact["compute"] += trained * Fraction(multiplier) * 1000
    hours = Fraction(usage.get("input_audio_seconds", 0), 3600)
    exact["audio"] += hours * Fraction(hour) * Fraction(multiplier) * 10**9
    read = usage.get("input_characters", 0) * Fraction(characters) * Fraction(multiplier)
    exact["input"] += read * 1000
    for key, price in {
        "input_pages": page,
        "annotated_pages": annotated,
        "classifications": label,
    }.items():
        exact["input"] += usage.get(key, 0) * Fraction(price) * Fraction(multiplier) * 10**9
    hours = Fraction(usage.get("cached_token_seconds", 0), 3600)
    exact["storage"] += hours * Fraction(kept) * Fraction(multiplier) * 1000
    looked = usage.get("text_units", 0) * Fraction(screened)
    exact["tool"] += looked * Fraction(multiplier) * 10**9
    exact["request"] += usage.get("search_units", 0) * Fraction(unit) * 10**9
    exact["request"] += Fraction(fee) * 10**9 if any(usage.values()) else 0
    rounded = {component: half_even(amount) for component, amount in exact.items()}
    assert charge.components == tuple(item for item in rounded.items() if item[1])
    assert charge.nano_usd == sum(rounded.values())


@given(all_tokens, multipliers, usages)
def test_no_component_is_ever_negative(
    tokens: dict[str, Decimal | None], multiplier: Decimal, usage: dict[str, int]
) -> None:
    prices = Prices(tokens=tokens, pieces=dict.fromkeys(BY_THE_PIECE, Decimal(0)))
    charge = Priced(prices, "test", multiplier).charge(usage)
    assert charge is not None
    assert all(amount > 0 for _, amount in charge.components if any(usage.values()))


@given(
    all_tokens, usages, st.sampled_from(["input_tokens", "output_tokens"]), st.integers(1, 10**6)
)
def test_more_input_or_output_never_costs_less(
    tokens: dict[str, Decimal | None], usage: dict[str, int], key: str, more: int
) -> None:
    longer = {kind: price and 2 * price for kind, price in tokens.items()}
    pieces = dict.fromkeys(BY_THE_PIECE, Decimal(1))
    prices = Prices(tokens=tokens, above=((10_000, longer),), pieces=pieces)
    tariff = Priced(prices, "test")
    before, after = tariff.charge(usage), tariff.charge({**usage, key: usage.get(key, 0) + more})
    assert before is not None
    assert after is not None
    # At one price an added token turns no other token into a dearer or a cheaper one, unless the
    # report contradicts itself: then it may turn a part that was counted twice into an overlap.
    if sum(count(usage)) == usage.get("input_tokens", 0) + usage.get("output_tokens", 0):
        assert after.nano_usd >= before.nano_usd
