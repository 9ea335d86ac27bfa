"""Counting each token once."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.names import TOKEN_TYPES
from costmeter.pricing.tokens import KINDS, TYPE_OF, count
from costmeter.usage import USAGE_KEYS

usages = st.dictionaries(st.sampled_from(USAGE_KEYS), st.integers(0, 10**12), max_size=16)


def split(usage: Mapping[str, int]) -> dict[str, int]:
    """Return tokens by type, zeros left out."""
    counts: Counter[str] = Counter()
    for kind, tokens in zip(KINDS, count(usage), strict=True):
        counts[TYPE_OF[kind]] += tokens
    return {kind: tokens for kind, tokens in counts.items() if tokens}


def test_kinds_are_told_apart_and_each_token_counts_once() -> None:
    usage = {
        "input_tokens": 1000,
        "cache_read_tokens": 300,
        "cache_audio_read_tokens": 100,
        "cache_write_tokens": 150,
        "cache_write_1h_tokens": 50,
        "input_audio_tokens": 250,
        "input_image_tokens": 40,
        "output_tokens": 500,
        "reasoning_tokens": 200,
        "output_audio_tokens": 90,
        "output_image_tokens": 10,
    }
    assert dict(zip(KINDS, count(usage), strict=True)) == {
        "input": 360,  # 1000 - 300 read - 150 written - 150 uncached audio - 40 images
        "cache_read": 200,
        "cache_audio_read": 100,
        "cache_write": 100,
        "cache_write_1h": 50,
        "input_audio": 150,
        "input_image": 40,
        "output": 200,
        "reasoning": 200,
        "output_audio": 90,
        "output_image": 10,
    }
    assert split(usage) == {
        "input": 360,
        "cache_read": 300,
        "cache_write": 150,
        "input_audio": 150,
        "input_image": 40,
        "output": 200,
        "reasoning": 200,
        "output_audio": 90,
        "output_image": 10,
    }


def test_nothing_used_has_no_types() -> None:
    assert split({}) == {}
    assert split({"input_tokens": 0, "output_tokens": 0, "images": 3}) == {}


def test_a_provider_that_leaves_cached_tokens_out_of_its_input_count_loses_none() -> None:
    usage = {"input_tokens": 10, "cache_read_tokens": 1000, "cache_write_tokens": 200}
    assert split(usage) == {"cache_read": 1000, "cache_write": 200}


@pytest.mark.parametrize(
    ("usage", "types"),
    [
        pytest.param(
            {"input_tokens": 100, "cache_read_tokens": 100, "input_image_tokens": 80},
            {"cache_read": 100},
            id="images that were read from the cache",
        ),
        pytest.param(
            {"input_tokens": 100, "cache_read_tokens": 60, "input_image_tokens": 80},
            {"cache_read": 60, "input_image": 40},
            id="some of the images were read from the cache",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "cache_read_tokens": 90,
                "input_image_tokens": 20,
                "input_audio_tokens": 30,
            },
            {"cache_read": 90, "input_audio": 10},
            id="images give way before audio",
        ),
        pytest.param(
            {"input_audio_tokens": 30, "input_image_tokens": 20},
            {"input_audio": 30, "input_image": 20},
            id="no input count at all",
        ),
        pytest.param(
            {"input_tokens": 10, "cache_read_tokens": 5, "input_audio_tokens": 30},
            {"cache_read": 5, "input_audio": 25},
            id="more audio than input, a little of it cached",
        ),
        pytest.param(
            {"cache_read_tokens": 50, "cache_audio_read_tokens": 80, "input_audio_tokens": 70},
            {"cache_read": 50, "input_audio": 20},
            id="more cached audio than cached tokens",
        ),
        pytest.param(
            {"input_tokens": 50, "cache_write_tokens": 10, "cache_write_1h_tokens": 30},
            {"input": 20, "cache_write": 30},
            id="more written for an hour than written",
        ),
        pytest.param(
            {"output_tokens": 10, "reasoning_tokens": 25},
            {"reasoning": 25},
            id="reasoning left out of the output count",
        ),
        pytest.param(
            {"output_tokens": 100, "output_audio_tokens": 80, "reasoning_tokens": 40},
            {"reasoning": 40, "output_audio": 80},
            id="reasoning and audio that exceed the output count",
        ),
    ],
)
def test_contradictions_are_settled_without_a_negative_count(
    usage: dict[str, int], types: dict[str, int]
) -> None:
    assert split(usage) == types


@given(usages)
def test_no_count_is_ever_negative(usage: dict[str, int]) -> None:
    assert all(tokens >= 0 for tokens in count(usage))
    assert split(usage).keys() <= set(TOKEN_TYPES)


@given(usages)
def test_types_sum_to_input_and_output_or_to_the_parts_that_exceed_them(
    usage: dict[str, int],
) -> None:
    get = usage.get
    written = max(get("cache_write_tokens", 0), get("cache_write_1h_tokens", 0))
    reads, audio = get("cache_read_tokens", 0), get("input_audio_tokens", 0)
    cached_audio = min(get("cache_audio_read_tokens", 0), reads, audio)
    media = audio - cached_audio + get("input_image_tokens", 0)
    input_parts = written + cached_audio + max(reads - cached_audio, media)
    output_parts = sum(
        get(part, 0) for part in ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")
    )
    assert sum(split(usage).values()) == (
        max(get("input_tokens", 0), input_parts) + max(get("output_tokens", 0), output_parts)
    )
