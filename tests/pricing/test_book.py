"""The price book: charging, refreshing, keeping the last good prices."""

import logging
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmeter.pricing import book as book_module
from costmeter.pricing.book import PriceBook
from costmeter.pricing.catalogue import PACKAGE_VERSION
from costmeter.pricing.schema import PricesConfig
from tests.pricing.published import Publisher, StillClock

MINUTE_NS = 60 * 10**9


def open_book(
    publisher: Publisher, clock: StillClock, cache_file: Path | None = None, **config: Any
) -> PriceBook:
    keys = {"url": publisher.url, "timeout": "5s", **config}
    if cache_file:
        keys["cache_file"] = cache_file
    return PriceBook(PricesConfig.model_validate(keys), clock=clock)


def cost(book: PriceBook, clock: StillClock, model: str = "gpt-4o") -> int | None:
    charge = book.charge("openai", model, "", {"input_tokens": 1}, clock.now)
    return charge and charge.nano_usd


class TestCharging:
    def test_an_unknown_model_has_no_charge_and_no_prices(self, clock: StillClock) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        assert book.charge("openai", "gpt-nonsense", "", {"input_tokens": 1}, clock.now) is None
        assert book.charge("openai", "gpt-nonsense", "", {}, clock.now) is None
        assert book.prices_of("openai", "gpt-nonsense", clock.now) is None

    def test_the_events_own_time_decides_in_whatever_order_events_come(
        self, clock: StillClock
    ) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        day = 1_749_513_600 * 10**9  # 2025-06-10T00:00:00Z, when o3 became five times cheaper
        usage = {"input_tokens": 1}
        for time_ns, nano in ((day, 2000), (day - 1, 10_000), (day + 1, 2000), (day - 2, 10_000)):
            charge = book.charge("openai", "o3", "", usage, time_ns)
            assert charge is not None
            assert charge.nano_usd == nano

    @pytest.mark.parametrize(("time_ns", "nano"), [(-(10**30), 10_000), (10**30, 2000)])
    def test_a_time_out_of_this_world_has_the_first_or_the_last_price(
        self, clock: StillClock, time_ns: int, nano: int
    ) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        charge = book.charge("openai", "o3", "", {"input_tokens": 1}, time_ns)
        assert charge is not None
        assert charge.nano_usd == nano

    def test_windows_of_the_day_are_right_for_a_whole_week_of_events(
        self, clock: StillClock
    ) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        start = 1_753_920_000  # 2025-07-31T00:00:00Z
        for second in range(start, start + 7 * 86_400, 1800):
            charge = book.charge(
                "deepseek", "deepseek-chat", "", {"output_tokens": 1}, second * 10**9
            )
            assert charge is not None
            by_day = 1800 <= second % 86_400 < 59_400  # 00:30 to 16:30
            assert charge.nano_usd == (1100 if by_day else 550)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.integers(1_785_000_000, 1_796_000_000), min_size=1, max_size=30))
    def test_a_kept_tariff_charges_what_a_fresh_one_would(self, seconds: list[int]) -> None:
        book = PriceBook(PricesConfig())
        resolver = book._edition.resolver
        for second in seconds:
            time_ns = second * 10**9
            charge = book.charge("deepseek", "deepseek-v4-flash", "", {"output_tokens": 1}, time_ns)
            fresh = resolver.resolve("deepseek", "deepseek-v4-flash", "", time_ns)
            assert charge is not None
            assert fresh.prices is not None
            price = fresh.prices.tokens["output"]
            assert price is not None
            assert charge.nano_usd == price * 1000

    def test_names_of_strangers_take_no_more_memory_than_their_limit(
        self, clock: StillClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(book_module, "MAX_TARIFFS", 10)
        book = PriceBook(PricesConfig(), clock=clock)
        for number in range(100):
            assert cost(book, clock, f"gpt-{number}-nonsense") is None
        assert len(book._edition.tariffs) <= 10
        assert len(book._edition.older) <= 10
        assert cost(book, clock) == 2500

    def test_prices_by_type_have_text_always_and_media_where_priced(
        self, clock: StillClock
    ) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        assert book.prices_of("openai", "gpt-4o", clock.now) == {
            "input": Decimal("2.5"),
            "cache_read": Decimal("1.25"),
            "cache_write": Decimal("2.5"),
            "output": Decimal(10),
            "reasoning": Decimal(10),
        }
        audio = book.prices_of("openai", "gpt-realtime", clock.now)
        assert audio is not None
        assert (audio["input_audio"], audio["output_audio"]) == (32, 64)
        assert book.prices_of("voyageai", "voyage-4", clock.now) == {
            "input": Decimal("0.06"),
            "cache_read": Decimal("0.06"),
            "cache_write": Decimal("0.06"),
        }

    def test_a_price_list_can_be_of_one_provider(self, clock: StillClock) -> None:
        book = PriceBook(PricesConfig(), clock=clock)
        lines = list(book.listed(clock.now, "mistral_ai"))
        assert {line.provider for line in lines} == {"mistral"}
        grok = book.line("x_ai", "grok-4.3", clock.now)
        assert grok is not None
        assert (grok.provider, grok.model, grok.long_context_above) == ("x-ai", "grok-4.3", 199_999)


class TestRefresh:
    def test_the_bundled_prices_hold_until_the_first_refresh(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        book = open_book(publisher, clock)
        assert (book.version, book.origin, book.due) == (PACKAGE_VERSION, "bundled", True)
        assert 0 < book.confirmed_ns < clock.now
        assert cost(book, clock) == 2500
        assert book.refresh()
        assert (book.origin, book.due, book.confirmed_ns) == ("refreshed", False, clock.now)
        assert book.version.startswith("sha256-")
        assert cost(book, clock) == 2350

    def test_the_charge_names_the_version_that_priced_it(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        book = open_book(publisher, clock)
        assert book.refresh()
        charge = book.charge("openai", "gpt-4o", "", {"input_tokens": 1}, clock.now)
        assert charge is not None
        assert charge.price == f"genai-prices {book.version}:openai/gpt-4o"

    def test_a_model_that_was_unknown_has_a_price_once_it_is_published(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(7, model="gpt-new")
        book = open_book(publisher, clock)
        assert cost(book, clock, "gpt-new") is None
        assert book.refresh()
        assert cost(book, clock, "gpt-new") == 7000

    def test_an_override_still_comes_before_refreshed_prices(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        entry = {"provider": "openai", "model": "gpt-4o", "usd_per_million": {"input": 1}}
        book = open_book(publisher, clock, models=[entry])
        assert book.refresh()
        assert cost(book, clock) == 1000

    def test_unchanged_prices_are_confirmed_and_not_sent_again(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        book = open_book(publisher, clock)
        assert book.refresh()
        version = book.version
        clock.now += 30 * MINUTE_NS
        assert book.due
        assert book.refresh()
        assert publisher.asked == ["", '"2.35"']
        assert (book.version, book.confirmed_ns, book.due) == (version, clock.now, False)

    @pytest.mark.parametrize(
        ("status", "body", "problem"),
        [
            (500, b"", "answers 500"),
            (404, b"", "answers 404"),
            (301, b"", "answers 301"),
            (200, b"", "cannot be read"),
            (200, b"<html>", "cannot be read"),
            (200, b"[]", "not a list of providers"),
        ],
    )
    def test_a_bad_answer_leaves_the_last_good_prices(
        self, publisher: Publisher, clock: StillClock, status: int, body: bytes, problem: str
    ) -> None:
        publisher.publish(2.35)
        book = open_book(publisher, clock)
        assert book.refresh()
        confirmed_ns = book.confirmed_ns
        publisher.status, publisher.body, publisher.etag = status, body, ""
        clock.now += 60 * MINUTE_NS
        assert not book.refresh()
        assert problem in book.problem
        assert (cost(book, clock), book.origin, book.confirmed_ns, book.due) == (
            2350, "refreshed", confirmed_ns, True,
        )  # fmt: skip
        publisher.publish(2.36)
        publisher.status = 200
        assert book.refresh()
        assert (book.problem, cost(book, clock)) == ("", 2360)

    def test_nothing_new_is_no_answer_to_who_has_nothing(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.status = 304
        book = open_book(publisher, clock)
        assert not book.refresh()
        assert "answers 304" in book.problem

    def test_a_server_out_of_reach_leaves_the_last_good_prices(
        self, clock: StillClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        nowhere = Publisher()
        nowhere.url = "http://127.0.0.1:1/data.json"
        book = open_book(nowhere, clock)
        with caplog.at_level(logging.WARNING):
            assert not book.refresh()
            assert not book.refresh()
        assert "127.0.0.1:1" in book.problem
        assert len(caplog.records) == 1  # told once, not each half hour
        assert cost(book, clock) == 2500

    def test_a_server_that_does_not_answer_in_time_leaves_the_last_good_prices(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.held.clear()
        book = open_book(publisher, clock, timeout="100ms")
        assert not book.refresh()
        assert publisher.url in book.problem
        assert cost(book, clock) == 2500

    def test_an_endless_answer_is_cut_off(
        self, publisher: Publisher, clock: StillClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("costmeter.pricing.refresh.MAX_BYTES", 1000)
        publisher.body = b"[" + b" " * 2000 + b"]"
        book = open_book(publisher, clock)
        assert not book.refresh()
        assert "more than 1000 bytes" in book.problem

    def test_events_are_charged_while_prices_are_fetched(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        publisher.held.clear()
        book = open_book(publisher, clock)
        refreshing = threading.Thread(target=book.refresh)
        refreshing.start()
        try:
            assert cost(book, clock) == 2500
            while not publisher.asked:
                assert refreshing.is_alive()
            assert not book.refresh()  # one is under way
        finally:
            publisher.held.set()
            refreshing.join()
        assert cost(book, clock) == 2350
        assert len(publisher.asked) == 1

    def test_switched_off_it_is_never_due(self, publisher: Publisher, clock: StillClock) -> None:
        assert not open_book(publisher, clock, refresh="off").due

    def test_a_clock_that_was_set_back_does_not_put_the_next_refresh_off(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        book = open_book(publisher, clock)
        assert book.refresh()
        clock.now -= 365 * 1440 * MINUTE_NS
        assert book.due


class TestKeptPrices:
    def test_they_hold_after_a_restart_out_of_reach(
        self, publisher: Publisher, clock: StillClock, tmp_path: Path
    ) -> None:
        file = tmp_path / "state" / "prices.json"
        publisher.publish(2.35)
        assert open_book(publisher, clock, file).refresh()
        confirmed_ns = clock.now
        publisher.status, publisher.etag = 500, ""
        clock.now += 10 * MINUTE_NS
        book = open_book(publisher, clock, file)
        assert (book.origin, book.confirmed_ns, book.due) == ("refreshed", confirmed_ns, False)
        assert cost(book, clock) == 2350
        clock.now += 20 * MINUTE_NS
        assert book.due
        assert not book.refresh()
        assert cost(book, clock) == 2350

    def test_they_are_confirmed_by_their_mark(
        self, publisher: Publisher, clock: StillClock, tmp_path: Path
    ) -> None:
        file = tmp_path / "prices.json"
        publisher.publish(2.35)
        assert open_book(publisher, clock, file).refresh()
        clock.now += 60 * MINUTE_NS
        assert open_book(publisher, clock, file).refresh()
        assert publisher.asked == ["", '"2.35"']
        assert open_book(publisher, clock, file).confirmed_ns == clock.now

    @pytest.mark.parametrize(
        "damage",
        [
            lambda body: b"",
            lambda body: b"nonsense",
            lambda body: b"[]\n" + body,
            lambda body: b"{}\n" + body,
            lambda body: body[: len(body) // 2],
            lambda body: body.replace(PACKAGE_VERSION.encode(), b"0.0.1", 1),
            lambda body: body.replace(b"http://", b"https://", 1),
            lambda body: body.replace(b'"confirmed_ns": ', b'"confirmed_ns": "x', 1),
        ],
    )
    def test_a_file_that_is_damaged_or_of_other_prices_is_not_used(
        self, publisher: Publisher, clock: StillClock, tmp_path: Path, damage: Any
    ) -> None:
        file = tmp_path / "prices.json"
        publisher.publish(2.35)
        assert open_book(publisher, clock, file).refresh()
        file.write_bytes(damage(file.read_bytes()))
        book = open_book(publisher, clock, file)
        assert (book.origin, cost(book, clock)) == ("bundled", 2500)
        assert book.refresh()
        assert open_book(publisher, clock, file).origin == "refreshed"

    def test_a_place_that_cannot_be_written_is_told_and_no_more(
        self,
        publisher: Publisher,
        clock: StillClock,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        publisher.publish(2.35)
        book = open_book(publisher, clock, tmp_path / "file" / "prices.json")
        assert book.refresh()
        assert cost(book, clock) == 2350
        assert "not kept" in caplog.text

    def test_nothing_is_left_beside_the_file(
        self, publisher: Publisher, clock: StillClock, tmp_path: Path
    ) -> None:
        publisher.publish(2.35)
        assert open_book(publisher, clock, tmp_path / "prices.json").refresh()
        assert [path.name for path in tmp_path.iterdir()] == ["prices.json"]


class TestReload:
    def test_a_changed_configuration_keeps_what_was_fetched(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        old = open_book(publisher, clock)
        assert old.refresh()
        config = PricesConfig.model_validate(
            {
                "url": publisher.url,
                "models": [{"provider": "openai", "model": "m", "usd_per_million": {"input": 9}}],
            }
        )
        new = PriceBook(config, clock=clock, predecessor=old)
        assert (new.origin, new.confirmed_ns, new.due) == ("refreshed", clock.now, False)
        assert (cost(new, clock), cost(new, clock, "m")) == (2350, 9000)

    def test_another_address_or_none_goes_back_to_the_bundled_prices(
        self, publisher: Publisher, clock: StillClock
    ) -> None:
        publisher.publish(2.35)
        old = open_book(publisher, clock)
        assert old.refresh()
        for keys in ({"url": publisher.url + "?other"}, {"url": publisher.url, "refresh": "off"}):
            config = PricesConfig.model_validate(keys)
            new = PriceBook(config, clock=clock, predecessor=old)
            assert (new.origin, cost(new, clock)) == ("bundled", 2500)
