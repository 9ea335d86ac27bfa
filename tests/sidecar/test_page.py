from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from costmeter.budgets.status import State
from costmeter.ledger.alerts import Alert
from costmeter.sidecar import page
from costmeter.sidecar.app import create_app
from costmeter.sidecar.view import BudgetPeriod, Catalogue, ModelSpend, Status, Unpriced
from costmeter.sidecar.web import WebConfig
from tests.sidecar.server import FakePipeline, client_of, serving

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update",
                    "--disable-sync"]  # fmt: skip

NANO = 10**9
NOON = (20_779 * 86_400 + 12 * 3600) * NANO  # 22 November 2026, 12:00 UTC
STATUS = Status(
    now_ns=NOON,
    state="ready",
    version="0.1.0",
    ledger="8b6f3f5e-3a52-4b0c-9c5d-7d6f2c1e9a10",
    timezone="Europe/Berlin",
    day="2026-11-22",
    month="2026-11",
    today_nano_usd=5 * NANO,
    month_nano_usd=1_500 * NANO + 5_000_000,
    models=(
        ModelSpend("openai", "gpt-4o-mini", 5 * NANO, 375 * NANO),
        ModelSpend("anthropic", "claude-sonnet-4", 0, 1125 * NANO),
        ModelSpend("openai", "text-embedding-3-small", 0, 5_000_000),
    ),
    catalogue=Catalogue("genai-prices 0.2.3", "bundled", NOON - 17 * 60 * NANO),
    writers=3,
    ledger_bytes=3 << 20,
    events=1_234_567,
)
BUDGETS = (
    BudgetPeriod(
        "search", "finance", "2026-11-22", 6 * NANO, 5 * NANO, 7_500_000_000, State.SOFT_LIMIT
    ),
    BudgetPeriod("all", "", "2026-11", 2 * NANO, 100 * NANO, None, State.WITHIN),
)
HOUR = 3600 * NANO
ALERTS = (
    Alert(
        "a1",
        NOON - HOUR,
        None,
        NOON,
        {"alertname": "CostBudgetHardLimitExceeded", "budget": "search"},
        {"summary": "search is over its hard limit"},
    ),
    Alert("b2", NOON - 3 * HOUR, NOON - 2 * HOUR, NOON, {"alertname": "CostSpendSpike"}, {}),
)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def text_of(drawn: str) -> str:
    return drawn.partition("<body>")[2]


def test_amounts_are_shown_to_the_cent_and_exactly_on_hovering() -> None:
    drawn = text_of(page.draw(STATUS))

    assert '<p class="amount" title="5.000000000 USD">$5.00</p>' in drawn
    assert '<p class="amount" title="1,500.005000000 USD">$1,500.00</p>' in drawn
    assert '<td title="0.005000000 USD">&lt;$0.01</td><td>&lt;0.1%</td>' in drawn


def test_small_amounts_are_shown_to_the_hundredth_of_a_cent() -> None:
    small = replace(STATUS, today_nano_usd=1_250_000, month_nano_usd=9 * NANO)

    assert ">$0.0012</p>" in page.draw(small)
    assert ">$9.0000</p>" in page.draw(small)


def test_nothing_spent_is_shown_as_such() -> None:
    drawn = page.draw(replace(STATUS, today_nano_usd=0, month_nano_usd=0, models=()))

    assert drawn.count(">$0.00</p>") == 2
    assert "Nothing was spent in November 2026 yet." in drawn


def test_more_taken_back_than_spent_is_negative() -> None:
    drawn = page.draw(replace(STATUS, today_nano_usd=-12_340_000_000, models=()))

    assert ">\N{MINUS SIGN}$12.34</p>" in drawn


def test_the_dearest_model_of_the_month_comes_first_with_its_share() -> None:
    drawn = text_of(page.draw(STATUS))

    names = ["claude-sonnet-4", "gpt-4o-mini", "text-embedding-3-small"]
    assert sorted(names, key=drawn.index) == names
    assert "<td>75.0%</td>" in drawn
    assert '<rect width="25.00%"' in drawn


def test_beyond_fifty_models_the_rest_is_one_row() -> None:
    models = tuple(ModelSpend("p", f"m{n:03}", NANO, 10 * NANO) for n in range(60))
    drawn = page.draw(replace(STATUS, models=models, month_nano_usd=600 * NANO))

    assert drawn.count("<tr>") == 1 + 50 + 1
    assert "10 more" in drawn
    assert '<td title="10.000000000 USD">$10.00</td><td title="100.000000000 USD">' in drawn


def test_what_needs_attention_stands_out() -> None:
    calm = text_of(page.draw(STATUS))
    alarming = text_of(
        page.draw(
            replace(
                STATUS,
                state="draining",
                lag_seconds=312.0,
                lag_bytes=5 << 20,
                unpriced=(Unpriced("acme", "llm-9000", 3), Unpriced("groq", "new", 1200)),
                rejected={"invalid": 2, "too_large": 0},
                dropped=17,
                catalogue=Catalogue("2026-11-01", "refreshed", NOON - 9 * 86_400 * NANO),
                problems=("the disk is full",),
            )
        )
    )

    assert "attention" not in calm
    assert alarming.count('<dd class="attention">') == 5
    for shown in (
        "3 writers, 5 minutes behind (5.0 MiB)",
        "groq/new (1,200), acme/llm-9000 (3)",
        ">invalid (2)<",
        ">17<",
        "2026-11-01, refreshed, confirmed 9 days ago",
        "<li>the disk is full</li>",
        '<p class="state draining" role="status">draining</p>',
    ):
        assert shown in alarming


def test_budgets_are_shown_with_how_much_of_them_is_used() -> None:
    drawn = text_of(page.draw(replace(STATUS, budgets=BUDGETS)))

    assert "Budgets" not in page.draw(STATUS)
    assert (
        '<th scope="row">search<span class="provider">finance</span></th><td>2026-11-22</td>'
        '<td title="6.000000000 USD">$6.00</td><td>$5.00</td><td>$7.50</td>'
        '<td class="soft_limit">120%</td>'
    ) in drawn
    assert '<td class="within">2%</td>' in drawn
    assert drawn.count('<rect width="100.00%"') == 1
    assert '<rect width="2.00%"' in drawn


def test_beyond_fifty_periods_of_budgets_it_is_told_how_many_there_are() -> None:
    drawn = page.draw(replace(STATUS, budgets=BUDGETS[:1] * 53))

    assert drawn.count('<th scope="row">search<') == 50
    assert '<p class="none">and 3 more</p>' in drawn


def test_alerts_are_shown_with_what_they_say_and_when() -> None:
    drawn = text_of(page.draw(replace(STATUS, alerts=ALERTS, emergencies=("search", "chat"))))

    assert "Alerts" not in page.draw(STATUS)
    assert '<span class="alert firing">firing</span> search is over its hard limit' in drawn
    assert "CostBudgetHardLimitExceeded, since 2026-11-22 12:00:00 CET" in drawn
    assert '<span class="alert resolved">resolved</span> CostSpendSpike' in drawn
    assert "2026-11-22 10:00:00 CET to 2026-11-22 11:00:00 CET" in drawn
    assert '<dd class="attention">search, chat</dd>' in drawn


def test_prices_that_are_not_loaded_stand_out() -> None:
    drawn = page.draw(replace(STATUS, catalogue=None))

    assert '<dd class="attention">not loaded</dd>' in drawn


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-3, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 minutes"), (7199, "119 minutes"),
     (7200, "2 hours"), (172_799, "47 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_ages_are_told_roughly(seconds: float, shown: str) -> None:
    drawn = page.draw(replace(STATUS, lag_seconds=seconds))

    assert f"3 writers, {shown} behind" in drawn


def test_times_are_those_of_the_time_zone() -> None:
    assert "As of 2026-11-22 13:00:00 CET, days and months in Europe/Berlin" in page.draw(STATUS)


async def test_the_page_lets_nothing_run_and_nothing_be_loaded(pipeline: FakePipeline) -> None:
    pipeline.shown = STATUS
    async with client_of(create_app(pipeline, WebConfig())) as http:
        answer = await http.get("/")

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == page.draw(STATUS)


# -- in a browser ------------------------------------------------------------------------------


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


async def complaints_of(tab: Page, url: str) -> list[str]:
    """Open a page; return what the browser's console says and what was asked of other hosts."""
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: request.url == url or complaints.append(request.url))
    await tab.goto(url)
    return complaints


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
async def test_a_browser_shows_the_page_without_complaint(
    pipeline: FakePipeline, browser: Browser, colours: str, width: int
) -> None:
    pipeline.shown = replace(STATUS, alerts=ALERTS, budgets=BUDGETS, emergencies=("search",))
    viewport = {"width": width, "height": 800}
    tab = await browser.new_page(color_scheme=colours, viewport=viewport)
    async with serving(create_app(pipeline, WebConfig())) as address:
        complaints = await complaints_of(tab, f"http://{address}/")

        texts = ("$5.00", "$1,500.00", "gpt-4o-mini", "22 November 2026", "1,234,567")
        for shown in (*texts, "search is over its hard limit", "CostSpendSpike"):
            assert await tab.get_by_text(shown, exact=False).first.is_visible()
        background = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
        overhang = await tab.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        await tab.get_by_role("link", name="Metrics").click()
        assert tab.url == f"http://{address}/metrics"
        await tab.close()

    assert complaints[:-1] == []  # but for the link that was followed
    assert (sum(map(int, background[4:-1].split(","))) > 384) == (colours == "light")
    assert overhang == 0


async def test_hostile_names_are_shown_as_text(pipeline: FakePipeline, browser: Browser) -> None:
    pipeline.shown = replace(
        STATUS,
        models=(ModelSpend(HOSTILE, HOSTILE, 0, NANO),),
        budgets=(BudgetPeriod(HOSTILE, HOSTILE, HOSTILE, 0, NANO, None, State.WITHIN),),
        unpriced=(Unpriced(HOSTILE, HOSTILE, 1),),
        rejected={HOSTILE: 1},
        problems=(HOSTILE,),
        ledger=HOSTILE,
        version=HOSTILE,
        catalogue=Catalogue(HOSTILE, HOSTILE, NOON),
        alerts=(Alert("c3", 0, None, 0, {"alertname": HOSTILE}, {"summary": HOSTILE}),),
        emergencies=(HOSTILE,),
    )
    tab = await browser.new_page()
    async with serving(create_app(pipeline, WebConfig())) as address:
        complaints = await complaints_of(tab, f"http://{address}/")

        assert await tab.title() == "$5.00 today · costmeter"
        assert (await tab.inner_text("body")).count(HOSTILE) == 16
        assert await tab.locator("script, img").count() == 0
        await tab.close()

    assert complaints == []


async def test_the_page_refreshes_itself(
    pipeline: FakePipeline, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "REFRESH_SECONDS", 1)
    pipeline.shown = STATUS
    tab = await browser.new_page()
    async with serving(create_app(pipeline, WebConfig())) as address:
        await tab.goto(f"http://{address}/")
        pipeline.shown = replace(STATUS, today_nano_usd=7 * NANO)
        await tab.get_by_text("$7.00").wait_for()
        await tab.close()
