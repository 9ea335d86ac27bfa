"""Models side by side and the bill, over the same past as the overview: the same sums."""

from __future__ import annotations

import pytest

from tests.dashboards.boards import target
from tests.dashboards.known import HOUR, LAST_6H, SPLIT, Stack

SPAN = 6 * HOUR


@pytest.mark.parametrize("label", ["model", "provider"])
def test_models_side_by_side_add_up_to_the_overview(stack: Stack, label: str) -> None:
    cost = stack.values(target("By $per", "A", "models.json"), SPAN, stack.end, per=label)

    assert cost == pytest.approx(SPLIT[label], abs=1e-10)


def test_units_of_models_cost_what_was_paid_by_what_was_counted(stack: Stack) -> None:
    def figure(panel: str) -> dict[str, float]:
        return stack.values(target(panel, "A", "models.json"), SPAN, stack.end)

    assert figure("Spend") == pytest.approx({"": LAST_6H}, abs=1e-10)
    assert figure("Cost of 1k calls") == pytest.approx({"": 1000 * 6.625000001 / 6})
    assert figure("Cost of 1M tokens") == pytest.approx({"": 1e6 * 6.625000001 / 6000})
    assert figure("Spent on failed calls") == pytest.approx({"": 0.125})
    # all took 2 s: between the bounds 1 and 2.5
    assert figure("P95 of all calls") == pytest.approx({"": 1 + 1.5 * 0.95})


def test_models_are_told_apart_by_speed_failures_and_use(stack: Stack) -> None:
    def column(letter: str) -> dict[str, float]:
        return stack.values(target("By $per", letter, "models.json"), SPAN, stack.end)

    assert column("B") == {"gpt-4o": 2, "gpt-4o-mini": 1, "claude": 3}
    assert column("C") == pytest.approx(
        {"gpt-4o": 1312.5, "gpt-4o-mini": 3000, "claude": 1000.000001 / 3}
    )
    assert column("F") == pytest.approx(dict.fromkeys(SPLIT["model"], 200 / 600))
    # half of what took between 1 and 2.5 s, and between 1.5 and 2.5 s
    assert column("H") == pytest.approx(dict.fromkeys(SPLIT["model"], 1.75))
    assert column("J") == pytest.approx(dict.fromkeys(SPLIT["model"], 2))
    assert column("L") == {"gpt-4o": 6, "gpt-4o-mini": 3, "claude": 9}
    assert column("M") == {"gpt-4o": 0.125, "gpt-4o-mini": 0, "claude": 0}


def test_what_caches_saved_is_what_was_read_less_what_was_written_for_more(stack: Stack) -> None:
    def shown(panel: str, letter: str = "A") -> dict[str, float]:
        return stack.values(target(panel, letter, "models.json"), SPAN, stack.end)

    # two calls: 200 tokens each at 0.00000225 USD less than input, 50 each at 0.000000625 more; of
    # the other models no price is known
    saved = 2 * (200 * 2.25e-6 - 50 * 0.625e-6)
    assert shown("Saved by caches") == pytest.approx({"": saved})
    assert shown("By $per", "G") == pytest.approx({"gpt-4o": saved})
    assert shown("Read from caches") == pytest.approx({"": 200 / 600})


def test_the_bill_adds_up_to_the_overview(stack: Stack) -> None:
    bill = stack.values(target("Bill by team and feature", "A", "features.json"), SPAN, stack.end)

    assert sum(bill.values()) == pytest.approx(LAST_6H, abs=1e-10)
    assert bill == pytest.approx(
        {"assistsupport": 2.125, "(none)lab": 1.000000001, "assist(none)": 3.0}, abs=1e-10
    )


def test_what_nobody_is_charged_for_is_told(stack: Stack) -> None:
    def share(label: str) -> dict[str, float]:
        one = target("Charged to no $whom", "A", "features.json")
        return stack.values(one, SPAN, stack.end, whom=label)

    assert share("feature") == pytest.approx({"": 1.000000001 / LAST_6H})
    assert share("team") == pytest.approx({"": 3 / LAST_6H})


@pytest.mark.parametrize("span", [HOUR, 6 * HOUR, 24 * HOUR, 240 * HOUR])
def test_every_table_adds_up_whatever_the_range(stack: Stack, span: int) -> None:
    overview = stack.spend(span, stack.end)
    for panel, board in (
        ("By $by", "overview.json"),
        ("By $per", "models.json"),
        ("Bill by team and feature", "features.json"),
        ("Models used by $whom", "features.json"),
    ):
        table = stack.values(target(panel, "A", board), span, stack.end)
        assert sum(table.values()) == pytest.approx(overview, abs=1e-9), panel
