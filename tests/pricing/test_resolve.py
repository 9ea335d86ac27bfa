"""From names and times to the prices in force."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import yaml

from costmeter.pricing.catalogue import Catalogue
from costmeter.pricing.resolve import Resolver
from costmeter.pricing.schema import PricesConfig
from costmeter.pricing.tariff import FOREVER_NS

CATALOGUE = Catalogue.bundled()


def at(instant: str) -> int:
    return int(datetime.fromisoformat(instant).replace(tzinfo=UTC).timestamp()) * 10**9


TODAY = at("2026-11-22T12:00")


def resolver(text: str = "") -> Resolver:
    return Resolver(PricesConfig.model_validate(yaml.safe_load(text) or {}), CATALOGUE)


def priced_by(
    text: str, provider: str, model: str, tier: str = "", time_ns: int = TODAY
) -> str | None:
    resolved = resolver(text).resolve(provider, model, tier, time_ns)
    return resolved.price if resolved.prices else None


def multiplier(text: str, provider: str, model: str, tier: str) -> Decimal | None:
    resolved = resolver(text).resolve(provider, model, tier, TODAY)
    return resolved.multiplier if resolved.prices else None


class TestProviders:
    @pytest.mark.parametrize(
        ("provider", "model", "name"),
        [
            ("openai", "gpt-4o", "openai/gpt-4o"),
            ("OpenAI", "GPT-4o", "openai/gpt-4o"),
            ("azure.ai.openai", "gpt-4o", "azure/gpt-4o"),
            ("azure.ai.inference", "phi-4", "azure/phi-4"),
            ("aws.bedrock", "amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
            ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("gcp.gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("gcp.gen_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("mistral_ai", "mistral-large-2512", "mistral/mistral-large-2512"),
            ("x_ai", "grok-4", "x-ai/grok-4-0709"),
            ("cohere", "command-a", "cohere/command-a"),
            ("groq", "llama-3.1-8b-instant", "groq/llama-3.1-8b-instant"),
            ("perplexity", "sonar", "perplexity/sonar"),
            ("voyageai", "voyage-4", "voyageai/voyage-4"),
        ],
    )
    def test_opentelemetrys_names_and_the_catalogues_are_known(
        self, provider: str, model: str, name: str
    ) -> None:
        assert priced_by("", provider, model) == f"genai-prices {CATALOGUE.version}:{name}"

    @pytest.mark.parametrize("provider", ["my-openai-proxy", "openai_compatible", "ibm.watsonx.ai"])
    def test_a_name_that_only_looks_like_a_provider_is_not_one(self, provider: str) -> None:
        assert priced_by("", provider, "gpt-4o") is None

    def test_a_gateway_has_the_prices_of_the_provider_it_stands_for(self) -> None:
        text = "providers: {gateway: {same_as: openai}}"
        assert priced_by(text, "gateway", "gpt-4o") == priced_by("", "openai", "gpt-4o")


class TestModelNames:
    @pytest.mark.parametrize(
        ("provider", "model", "name"),
        [
            ("openai", "gpt-4o-2031-01-31", "openai/gpt-4o"),
            ("openai", "gpt-4o-20310131", "openai/gpt-4o"),
            ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),  # priced apart
            ("openai", "openai/gpt-4o", "openai/gpt-4o"),
            ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4-5"),
            ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ],
    )
    def test_dates_and_paths_are_understood(self, provider: str, model: str, name: str) -> None:
        price = priced_by("", provider, model)
        assert price is not None
        assert price.partition(":")[2].partition("/")[2] == name.partition("/")[2]

    def test_an_unknown_model_has_no_price_and_never_will(self) -> None:
        resolved = resolver().resolve("openai", "gpt-nonsense", "", TODAY)
        assert (resolved.prices, resolved.start_ns, resolved.end_ns) == (None, 0, FOREVER_NS)

    def test_a_model_that_the_catalogue_knows_without_a_price_has_none(self) -> None:
        assert priced_by("", "cerebras", "qwen-3-coder-480b") is None

    def test_local_models_have_an_explicit_zero(self) -> None:
        resolved = resolver().resolve("ollama", "llama3.3:70b", "", TODAY)
        assert resolved.price == "costmeter:ollama/*"
        assert resolved.prices is not None
        assert resolved.prices.tokens == {"input": 0, "output": 0}


class TestAliases:
    def test_an_alias_stands_for_a_model(self) -> None:
        text = "aliases: {chat-prod: gpt-4o, 'mini-*': gpt-4o-mini}"
        assert resolver(text).canonical("openai", "Chat-Prod") == ("openai", "gpt-4o")
        assert resolver(text).canonical("openai", "mini-7") == ("openai", "gpt-4o-mini")
        assert resolver(text).canonical("openai", "other") == ("openai", "other")

    def test_an_azure_deployment_has_the_price_of_its_model(self) -> None:
        text = """
            aliases:
              chat-prod: {model: gpt-4o, when_provider: azure.ai.openai}
            """
        price = f"genai-prices {CATALOGUE.version}:azure/gpt-4o"
        assert priced_by(text, "azure", "chat-prod") == price
        assert priced_by(text, "openai", "chat-prod") is None

    def test_an_alias_can_change_the_provider(self) -> None:
        text = "aliases: {big: {provider: anthropic, model: claude-opus-4-5}}"
        assert resolver(text).canonical("gateway", "big") == ("anthropic", "claude-opus-4-5")

    def test_deepseek_v3_is_known_and_can_be_overridden(self) -> None:
        assert resolver().canonical("deepseek", "deepseek-v3") == ("deepseek", "deepseek-chat")
        text = "aliases: {deepseek-v3: deepseek-flash}"
        assert resolver(text).canonical("deepseek", "deepseek-v3") == ("deepseek", "deepseek-flash")

    def test_an_override_is_found_by_what_the_alias_stands_for(self) -> None:
        text = """
            aliases: {chat-prod: gpt-4o}
            models: [{provider: openai, model: gpt-4o, usd_per_million: {input: 1, output: 2}}]
            """
        assert priced_by(text, "openai", "chat-prod") == "costmeter.yml:openai/gpt-4o"


class TestOverrides:
    TEXT = """
        models:
          - {provider: openai, model: gpt-4o, from: 2026-01-01, until: 2026-06-01,
             usd_per_million: {input: 1, output: 2}}
          - {provider: azure.ai.openai, model: "gpt-*", usd_per_million: {input: 3, output: 4}}
          - {provider: mine, model: own, usd_per_million: {input: 0.01, output: 0.02}}
        """

    def test_an_override_holds_within_its_dates_and_the_catalogue_outside(self) -> None:
        mine = "costmeter.yml:openai/gpt-4o@2026-01-01"
        theirs = priced_by("", "openai", "gpt-4o")
        for instant, price in (
            ("2025-12-31T23:59:59", theirs),
            ("2026-01-01T00:00:00", mine),
            ("2026-05-31T23:59:59", mine),
            ("2026-06-01T00:00:00", theirs),
        ):
            assert priced_by(self.TEXT, "openai", "gpt-4o", time_ns=at(instant)) == price

    def test_what_is_resolved_is_known_to_hold_until_the_next_change(self) -> None:
        for instant, start, end in (
            ("2025-12-31", 0, at("2026-01-01")),
            ("2026-03-01", at("2026-01-01"), at("2026-06-01")),
            ("2026-07-01", at("2026-06-01"), at("2026-10-12")),
        ):
            found = resolver(self.TEXT).resolve("openai", "gpt-4o", "", at(instant))
            assert (found.start_ns, found.end_ns) == (start, end)

    def test_an_override_also_means_the_dated_names_that_providers_answer_with(self) -> None:
        march = at("2026-03-01")
        for model, mine in (
            ("gpt-4o-2024-08-06", True),  # the catalogue has it as gpt-4o
            ("gpt-4o-2031-01-01", True),  # the catalogue does not know it
            ("gpt-4o-2024-05-13", False),  # the catalogue prices it apart
            ("gpt-4o-mini", False),
        ):
            price = priced_by(self.TEXT, "openai", model, time_ns=march) or ""
            assert price.startswith("costmeter.yml:") is mine, model

    def test_a_pattern_is_for_its_provider_only(self) -> None:
        assert priced_by(self.TEXT, "azure", "gpt-4o") == "costmeter.yml:azure.ai.openai/gpt-*"
        assert priced_by(self.TEXT, "openai", "gpt-5") != "costmeter.yml:azure.ai.openai/gpt-*"

    def test_a_model_of_ones_own_needs_no_catalogue(self) -> None:
        assert priced_by(self.TEXT, "mine", "own") == "costmeter.yml:mine/own"

    def test_an_override_comes_before_corrections_of_our_own_data(self) -> None:
        text = "models: [{provider: deepseek, model: deepseek-chat, usd_per_request: 1}]"
        assert priced_by("", "deepseek", "deepseek-chat") == (
            "costmeter:deepseek/deepseek-chat@2026-04-24"
        )
        assert priced_by(text, "deepseek", "deepseek-chat") == (
            "costmeter.yml:deepseek/deepseek-chat"
        )


class TestServiceTiers:
    MODEL = "gpt-3.5-turbo-instruct"  # the catalogue has no batch price for it

    @pytest.mark.parametrize("tier", ["", "default", "standard", "auto", "on_demand", "Standard "])
    def test_the_standard_tier_has_many_names(self, tier: str) -> None:
        assert priced_by("", "openai", "gpt-4o", tier) == priced_by("", "openai", "gpt-4o")

    def test_the_usual_multipliers(self) -> None:
        assert multiplier("", "openai", self.MODEL, "batch") == Decimal("0.5")
        assert multiplier("", "openai", self.MODEL, "flex") == Decimal("0.5")
        assert multiplier("", "openai", self.MODEL, "priority") is None
        assert multiplier("", "openai", self.MODEL, "scale") is None

    def test_what_providers_publish_for_all_their_models(self) -> None:
        assert multiplier("", "aws.bedrock", "amazon.nova-pro-v1:0", "priority") == Decimal("1.75")
        assert multiplier("", "gcp.gemini", "gemini-2.5-pro", "priority") == Decimal("1.8")
        assert multiplier("", "groq", "llama-3.1-8b-instant", "flex") == 1
        assert multiplier("", "voyageai", "voyage-4", "batch") == Decimal("0.67")
        assert multiplier("", "x_ai", "grok-4", "batch") == Decimal("0.8")

    def test_the_price_says_what_it_was_multiplied_with(self) -> None:
        assert (priced_by("", "x_ai", "grok-4", "batch") or "").endswith("grok-4-0709 batch x0.8")
        assert (priced_by("", "openai", "gpt-4o", "batch") or "").endswith("openai/gpt-4o batch")

    def test_the_more_particular_setting_holds(self) -> None:
        general = "service_tiers: {batch: 0.4, turbo: 3}"
        provider = general + "\nproviders: {openai: {service_tiers: {batch: 0.3}}}"
        model = (
            provider + f"\nmodels: [{{provider: openai, model: {self.MODEL}, service_tiers: "
            "{batch: 0.2}}]"
        )
        assert multiplier(general, "openai", self.MODEL, "batch") == Decimal("0.4")
        assert multiplier(general, "openai", self.MODEL, "turbo") == 3
        assert multiplier(provider, "openai", self.MODEL, "batch") == Decimal("0.3")
        assert multiplier(model, "openai", self.MODEL, "batch") == Decimal("0.2")

    def test_a_published_price_comes_before_the_general_multiplier(self) -> None:
        general = "service_tiers: {batch: 0.4, priority: 9}"
        assert (priced_by(general, "openai", "gpt-4o", "batch") or "").endswith("gpt-4o batch")
        assert multiplier(general, "x_ai", "grok-4", "batch") == Decimal("0.8")

    def test_but_not_before_the_providers_or_the_models_own(self) -> None:
        text = "providers: {openai: {service_tiers: {batch: 0.3}}}"
        resolved = resolver(text).resolve("openai", "gpt-4o", "batch", TODAY)
        assert resolved.multiplier == Decimal("0.3")
        assert resolved.prices is not None
        assert resolved.prices.tokens["input"] == Decimal("2.5")  # the standard price, times 0.3

    def test_an_own_model_has_its_multipliers_and_the_general_ones(self) -> None:
        text = """
            models:
              - {provider: mine, model: own, usd_per_request: 1, service_tiers: {gold: 2}}
            """
        assert multiplier(text, "mine", "own", "GOLD") == 2
        assert multiplier(text, "mine", "own", "batch") == Decimal("0.5")
        assert multiplier(text, "mine", "own", "silver") is None

    def test_a_model_without_a_tier_price_is_unpriced_only_in_that_tier(self) -> None:
        assert priced_by("", "openai", self.MODEL, "scale") is None
        assert priced_by("", "openai", self.MODEL) is not None


class TestDeepSeeksPeakHours:
    @pytest.mark.parametrize(
        ("instant", "usd_per_million_output"),
        [
            ("2026-11-20T03:59:59", "3.96"),  # Friday, in the first window
            ("2026-11-20T04:00:00", "1.98"),
            ("2026-11-20T06:00:00", "3.96"),
            ("2026-11-20T10:00:00", "1.98"),
            ("2026-11-21T02:00:00", "1.98"),  # Saturday
            ("2026-11-22T07:00:00", "1.98"),  # Sunday
            ("2026-11-23T02:00:00", "3.96"),  # Monday
            ("2026-08-22T02:00:00", "3.96"),  # a Saturday before weekends became off-peak
            ("2026-08-16T02:00:00", "0.87"),  # before there were peak hours
        ],
    )
    def test_they_hold_on_working_days_since_they_exist(
        self, instant: str, usd_per_million_output: str
    ) -> None:
        resolved = resolver().resolve("deepseek", "deepseek-v4-pro", "", at(instant))
        assert resolved.prices is not None
        assert resolved.prices.tokens["output"] == Decimal(usd_per_million_output)
        assert resolved.start_ns <= at(instant) < resolved.end_ns

    def test_a_weekend_ends_at_midnight(self) -> None:
        sunday = resolver().resolve("deepseek", "deepseek-v4-pro", "", at("2026-11-22T12:00"))
        assert (sunday.start_ns, sunday.end_ns) == (at("2026-11-22"), at("2026-11-23"))

    def test_the_older_models_had_their_nights_on_weekends_too(self) -> None:
        saturday = at("2025-08-02T20:00")
        resolved = resolver().resolve("deepseek", "deepseek-chat", "", saturday)
        assert resolved.prices is not None
        assert resolved.prices.tokens["output"] == Decimal("0.55")


def test_the_list_has_every_priced_model_once_ours_in_place_of_theirs() -> None:
    text = "models: [{provider: openai, model: gpt-4o, usd_per_million: {input: 1, output: 2}}]"
    listed = list(resolver(text).listed(TODAY))
    names = [(provider, model) for provider, model, _ in listed]
    assert len(names) == len(set(names)) > 2000
    by_name = {name: resolved for name, (_, _, resolved) in zip(names, listed, strict=True)}
    assert by_name["openai", "gpt-4o"].price == "costmeter.yml:openai/gpt-4o"
    assert by_name["aws", "regional.anthropic.claude-opus-5"].prices is not None
    assert by_name["openai", "whisper-1"].prices is not None
    assert ("mistral", "mistral-nemo:free") not in names
    assert ("ollama", "*") in names
