from __future__ import annotations

import math
import shutil
import subprocess
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from costmeter import names
from costmeter.names import Family
from costmeter.sidecar.exposition import Exposition, Gauges

CALLS = Family("calls_total", "counter", "Calls.", ("provider", "model"))
MONEY = Family("money_usd_total", "counter", "Money.", ("provider",), scale=10**9)
COST = Family("cost_usd", "histogram", "Cost.", ("endpoint",), scale=10**9, buckets=(0.5, 1))
SIZE = Family("size_bytes", "gauge", "Size.", ("disk",))
FAMILIES = (CALLS, MONEY, COST)


def text(exposition: Exposition, *gauges: Gauges, openmetrics: bool = False) -> str:
    return b"".join(exposition.draw(openmetrics, gauges)).decode()


def samples(body: str, *, openmetrics: bool) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    parse = parse_openmetrics if openmetrics else parse_text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(body)
        for sample in family.samples
    }


def add_histogram(exposition: Exposition, first: int, endpoint: str) -> None:
    """Add one histogram, deliberately out of order; ids are first + 0 … 4."""
    labels = {"endpoint": endpoint}
    with exposition:
        exposition.add(first, "cost_usd_count", labels, 3)
        exposition.add(first + 1, "cost_usd_bucket", {**labels, "le": "+Inf"}, 3)
        exposition.add(first + 2, "cost_usd_sum", labels, 2_250_000_000)
        exposition.add(first + 3, "cost_usd_bucket", {"le": "0.5", **labels}, 1)
        exposition.add(first + 4, "cost_usd_bucket", {**labels, "le": "1"}, 2)


def test_counters_are_drawn_with_help_and_type_and_in_the_order_of_their_series() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "money_usd_total", {"provider": "openai"}, 1_500_000_000)
    exposition.add(7, "calls_total", {"model": "b", "provider": "openai"}, 3)
    exposition.add(8, "calls_total", {"model": "a", "provider": "openai"}, 0)

    assert text(exposition) == (
        "# HELP calls_total Calls.\n"
        "# TYPE calls_total counter\n"
        'calls_total{provider="openai",model="b"} 3\n'
        'calls_total{provider="openai",model="a"} 0\n'
        "# HELP money_usd_total Money.\n"
        "# TYPE money_usd_total counter\n"
        'money_usd_total{provider="openai"} 1.500000000\n'
    )


def test_openmetrics_differs_in_the_headers_and_the_end_only() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "calls_total", {"provider": "openai"}, 3)

    assert text(exposition, openmetrics=True) == (
        '# HELP calls Calls.\n# TYPE calls counter\ncalls_total{provider="openai"} 3\n# EOF\n'
    )


def test_a_histogram_is_grouped_by_its_labels_and_ordered_by_its_bounds() -> None:
    exposition = Exposition(FAMILIES)
    add_histogram(exposition, 10, "/b")
    add_histogram(exposition, 20, "/a")

    assert text(exposition).splitlines()[2:] == [
        'cost_usd_bucket{endpoint="/b",le="0.5"} 1',
        'cost_usd_bucket{endpoint="/b",le="1.0"} 2',
        'cost_usd_bucket{endpoint="/b",le="+Inf"} 3',
        'cost_usd_sum{endpoint="/b"} 2.250000000',
        'cost_usd_count{endpoint="/b"} 3',
        'cost_usd_bucket{endpoint="/a",le="0.5"} 1',
        'cost_usd_bucket{endpoint="/a",le="1.0"} 2',
        'cost_usd_bucket{endpoint="/a",le="+Inf"} 3',
        'cost_usd_sum{endpoint="/a"} 2.250000000',
        'cost_usd_count{endpoint="/a"} 3',
    ]


def test_a_histogram_without_labels_is_drawn_too() -> None:
    exposition = Exposition((Family("d_seconds", "histogram", "D.", (), buckets=(1,)),))
    exposition.add(1, "d_seconds_sum", {}, 5)
    exposition.add(2, "d_seconds_bucket", {"le": "+Inf"}, 2)
    exposition.add(3, "d_seconds_count", {}, 2)

    assert text(exposition).splitlines()[2:] == [
        'd_seconds_bucket{le="+Inf"} 2',
        "d_seconds_sum 5",
        "d_seconds_count 2",
    ]


def test_a_label_value_that_looks_like_a_bound_does_not_mislead_the_order() -> None:
    exposition = Exposition(FAMILIES)
    add_histogram(exposition, 1, '",le="7"} 9')

    bounds = [line[-8:] for line in text(exposition).splitlines()[2:5]]
    assert bounds == ['"0.5"} 1', '"1.0"} 2', '+Inf"} 3']


def test_money_is_drawn_to_the_nano_dollar_beyond_what_a_float_holds() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "money_usd_total", {}, 123_456_789_012_345_678)
    exposition.add(2, "money_usd_total", {"provider": "x"}, 1)

    assert "\nmoney_usd_total 123456789.012345678\n" in text(exposition)
    assert '\nmoney_usd_total{provider="x"} 0.000000001\n' in text(exposition)


def test_changed_values_are_drawn_at_the_next_drawing_and_the_others_stay() -> None:
    exposition = Exposition(FAMILIES)
    for series in range(80):
        exposition.add(series, "calls_total", {"model": f"m{series}"}, series)
    text(exposition)

    exposition.set(3, 1000)
    exposition.update({40: 2000, 41: 3000})

    drawn = samples(text(exposition), openmetrics=False)
    expected = {series: float(series) for series in range(80)}
    expected |= {3: 1000.0, 40: 2000.0, 41: 3000.0}
    assert drawn == {
        ("calls_total", frozenset({("model", f"m{series}")})): value
        for series, value in expected.items()
    }


def test_a_series_that_is_added_again_is_set() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "calls_total", {"model": "m"}, 1)
    exposition.add(1, "calls_total", {"model": "m"}, 2)

    assert text(exposition).count("calls_total{") == 1
    assert 'calls_total{model="m"} 2\n' in text(exposition)


def test_labels_come_in_the_familys_order_then_the_configurations_then_the_rest() -> None:
    exposition = Exposition(FAMILIES, extra_labels=("tenant", "region"))
    labels = {"zebra": "z", "region": "eu", "apple": "a", "tenant": "acme", "model": "m",
              "provider": "p"}  # fmt: skip
    exposition.add(1, "calls_total", labels, 1)

    line = 'calls_total{provider="p",model="m",tenant="acme",region="eu",apple="a",zebra="z"} 1'
    assert line in text(exposition)


def test_empty_label_values_are_left_out() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "calls_total", {"provider": "", "model": "m"}, 1)
    exposition.add(2, "calls_total", {"provider": "", "model": ""}, 2)

    assert text(exposition).splitlines()[2:] == ['calls_total{model="m"} 1', "calls_total 2"]


def test_gauges_are_drawn_among_the_families_scaled_and_sorted() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "money_usd_total", {}, 0)
    exposition.add(2, "calls_total", {}, 0)
    price = Family("hour_usd", "gauge", "Price.", (), scale=10**9)

    lines = text(
        exposition,
        Gauges(SIZE, [(("b",), 2), (("a",), 0.5)]),
        Gauges(price, [((), 2_500_000_000)]),
        Gauges(SIZE, [(("",), True)]),
    ).splitlines()

    assert [line for line in lines if not line.startswith("# HELP")] == [
        "# TYPE calls_total counter",
        "calls_total 0",
        "# TYPE hour_usd gauge",
        "hour_usd 2.5",
        "# TYPE money_usd_total counter",
        "money_usd_total 0.000000000",
        "# TYPE size_bytes gauge",
        "size_bytes 1",
        'size_bytes{disk="a"} 0.5',
        'size_bytes{disk="b"} 2',
    ]


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1e-9, "1e-09"), (True, "1")],
)
def test_gauges_may_be_any_number(value: float, drawn: str) -> None:
    body = text(Exposition(()), Gauges(SIZE, [(("",), value)]), openmetrics=True)

    assert f"\nsize_bytes {drawn}\n" in body
    [parsed] = samples(body, openmetrics=True).values()
    assert parsed == value or math.isnan(value)


def test_families_without_series_are_left_out() -> None:
    exposition = Exposition(FAMILIES)

    assert text(exposition, Gauges(SIZE, [])) == ""
    assert text(exposition, openmetrics=True) == "# EOF\n"


def test_help_is_escaped() -> None:
    family = Family("x", "gauge", 'A \\ and "b"\nand c')

    assert '# HELP x A \\\\ and "b"\\nand c\n' in text(Exposition(()), Gauges(family, [((), 1)]))
    assert '# HELP x A \\\\ and \\"b\\"\\nand c\n' in text(
        Exposition(()), Gauges(family, [((), 1)]), openmetrics=True
    )


def test_unknown_families_and_series_and_negative_values_are_refused() -> None:
    exposition = Exposition(FAMILIES)
    exposition.add(1, "calls_total", {}, 1)

    with pytest.raises(KeyError, match="other_total"):
        exposition.add(2, "other_total", {}, 1)
    with pytest.raises(KeyError, match="99"):
        exposition.update({1: 5, 99: 5})
    with pytest.raises(ValueError, match="series 1 is below 0"):
        exposition.set(1, -1)
    assert "calls_total 1\n" in text(exposition)


def test_a_scale_that_is_not_drawn_exactly_is_refused() -> None:
    with pytest.raises(ValueError, match="x_total: scale 1000 is neither 1 nor 1000000000"):
        Exposition((Family("x_total", "counter", "X.", scale=1000),))


@pytest.mark.parametrize("openmetrics", [False, True])
@given(
    series=st.dictionaries(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text('a\\"\n{}=, é\r#')),
        st.integers(0, 10**18),
        max_size=40,
    )
)
def test_any_label_values_and_amounts_are_parsed_back(
    series: dict[tuple[str, str], int], openmetrics: bool
) -> None:
    exposition = Exposition(FAMILIES)
    for index, ((provider, model), value) in enumerate(series.items()):
        exposition.add(index, "calls_total", {"provider": provider, "model": model}, 0)
        exposition.add(-1 - index, "money_usd_total", {"provider": provider, "m": model}, 0)
        exposition.set(index, value)
    text(exposition)
    for index, value in enumerate(series.values()):
        exposition.set(-1 - index, value)

    expected = {}
    for (provider, model), value in series.items():
        labels = {"provider": provider, "model": model}
        present = frozenset((name, text) for name, text in labels.items() if text)
        expected["calls_total", present] = value
        present = frozenset(("m" if name == "model" else name, text) for name, text in present)
        expected["money_usd_total", present] = value / 10**9
    parsed = samples(text(exposition, openmetrics=openmetrics), openmetrics=openmetrics)
    assert parsed == pytest.approx(expected, rel=1e-15, abs=0)  # text's parser makes floats


def test_a_scrape_sees_the_changes_of_a_batch_all_together_or_not_at_all() -> None:
    exposition = Exposition(FAMILIES)
    inside, drawn = threading.Event(), threading.Event()
    bodies = []

    def scrape() -> None:
        inside.wait()
        bodies.append(text(exposition))
        drawn.set()

    scraper = threading.Thread(target=scrape)
    scraper.start()
    with exposition:
        exposition.add(1, "calls_total", {"model": "a"}, 1)
        inside.set()
        assert not drawn.wait(0.05)
        exposition.add(2, "calls_total", {"model": "b"}, 1)
    scraper.join()

    assert bodies[0].count("calls_total{") == 2


def test_drawing_while_another_thread_changes_values_loses_none() -> None:
    exposition = Exposition(FAMILIES)
    for series in range(200):
        exposition.add(series, "calls_total", {"model": str(series)}, 0)

    def count() -> None:
        for value in range(1, 2001):
            exposition.set(value % 200, value)

    counting = threading.Thread(target=count)
    counting.start()
    while counting.is_alive():
        text(exposition)
    counting.join()

    drawn = samples(text(exposition), openmetrics=False)
    assert sorted(drawn.values()) == [float(value) for value in range(1801, 2001)]


# -- the product's own families ---------------------------------------------------------------


def product() -> tuple[Exposition, list[Gauges]]:
    """Two models' worth of every family of names.py."""
    exposition = Exposition(names.LEDGER_FAMILIES, extra_labels=("tenant",))
    series = 0
    for model, times in (("gpt-4o-mini", 1), ("gpt-4.1", 2)):
        for family in names.LEDGER_FAMILIES:
            labels = dict.fromkeys(family.labels, "x") | {"model": model}
            if "model" not in family.labels:
                labels = labels | {"endpoint": f"/v1/{model}"}
                del labels["model"]
            if family.extensible:
                labels["tenant"] = "acme"
            parts = [(family.name, {}, 1_234_567_891)]
            if family.kind == "histogram":
                bounds = [*map(float, family.buckets), math.inf]
                parts = [
                    (f"{family.name}_bucket", {"le": str(bound)}, index)
                    for index, bound in enumerate(bounds)
                ]
                parts.append((f"{family.name}_sum", {}, 1_234_567_891))
                parts.append((f"{family.name}_count", {}, len(family.buckets)))
            for name, extra, value in parts:
                series += 1
                exposition.add(series, name, labels | extra, value * times)
    gauges = [
        Gauges(family, [(tuple("x" for _ in family.labels), 1)]) for family in names.GAUGE_FAMILIES
    ]
    return exposition, gauges


@pytest.mark.parametrize(
    ("openmetrics", "name"), [(False, "metrics.txt"), (True, "openmetrics.txt")]
)
def test_the_whole_of_metrics_is_as_in_the_golden_file(
    golden: Callable[[str, bytes], None], openmetrics: bool, name: str
) -> None:
    exposition, gauges = product()
    golden(name, b"".join(exposition.draw(openmetrics, gauges)))


def test_both_formats_of_the_products_families_parse_to_the_same_samples() -> None:
    exposition, gauges = product()
    as_text = b"".join(exposition.draw(False, gauges)).decode()
    as_openmetrics = b"".join(exposition.draw(True, gauges)).decode()

    parsed = samples(as_text, openmetrics=False)
    assert parsed == samples(as_openmetrics, openmetrics=True)
    drawn_families = {family.name for family in parse_text(as_text)}
    assert drawn_families == {name.removesuffix("_total") for name in names.FAMILIES}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say() -> None:
    exposition, gauges = product()
    body = b"".join(exposition.draw(False, gauges))

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=body, capture_output=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
