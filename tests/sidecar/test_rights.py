"""The key ``access`` of ``costmeter.yml``."""

from __future__ import annotations

import hashlib

import pytest

from costmeter.errors import ConfigError
from costmeter.sidecar.config import load
from costmeter.sidecar.rights import AccessConfig, hash_of, new_token

TOKEN = "a-token-that-must-never-be-shown"
HASH = f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"


def test_without_the_section_everybody_may_do_everything_but_change_budgets() -> None:
    access = AccessConfig()
    rights = ("read", "write_usage", "alerts", "reload")
    assert {access.holders(right) for right in rights} == {None}
    assert access.holders("budgets") == ()


def test_a_right_is_given_to_one_or_to_several() -> None:
    access = AccessConfig.model_validate({"read": "grafana", "alerts": ["a", "b"], "reload": []})
    assert access.holders("read") == ("grafana",)
    assert access.holders("alerts") == ("a", "b")
    assert access.holders("reload") == ()


def test_a_token_is_known_by_its_hash() -> None:
    access = AccessConfig.model_validate({"tokens": {"finance": HASH, "other": hash_of(b"x")}})
    assert access.name_of(TOKEN.encode()) == "finance"
    assert access.name_of(b"x") == "other"
    assert access.name_of(b"") is None
    assert access.name_of(HASH.encode()) is None
    assert access.name_of("tökén".encode()) is None


def test_new_tokens_have_256_random_bits() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}  # 32 bytes in base64, unpadded


@pytest.mark.parametrize("value", [TOKEN, "12345678", 12345678, None, ["x"], HASH.upper()])
def test_what_is_no_hash_is_told_but_not_shown(value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        load(None, access={"tokens": {"finance": value, "good": HASH}})
    assert raised.value.problems == (
        "access.tokens: finance: not a hash, as 'costmeter token' prints one",
    )


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load(None, access={"read": [""], "write": ["x"], "tokens": []})
    assert raised.value.problems == (
        "access.read[0]: '': String should have at least 1 character",
        "access.tokens: Input should be a valid dictionary",
        "access.write: unknown key",
    )
