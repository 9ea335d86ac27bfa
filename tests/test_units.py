"""Money in nano-dollars."""

from decimal import Decimal

import pytest

from costmeter.units import nano_to_usd, usd_to_nano


def test_an_amount_is_exact_to_the_nano_dollar_and_a_half_goes_to_even() -> None:
    assert usd_to_nano(0.1) == 100_000_000
    assert usd_to_nano("0.0000000015") == 2
    assert usd_to_nano(Decimal("0.0000000025")) == 2
    assert usd_to_nano(-3) == -3_000_000_000
    assert nano_to_usd(-1) == Decimal("-0.000000001")


@pytest.mark.parametrize("usd", [float("nan"), "inf", Decimal("-Infinity")])
def test_what_is_no_finite_amount_is_refused(usd: object) -> None:
    with pytest.raises(ValueError, match="is not a finite amount of US dollars"):
        usd_to_nano(usd)


@pytest.mark.parametrize("usd", [Decimal("1e18"), "1e999990", "-1e999990", 1e300])
def test_an_amount_that_takes_minutes_to_work_out_is_refused_at_once(usd: object) -> None:
    with pytest.raises(ValueError, match="has more than 18 digits of US dollars"):
        usd_to_nano(usd)


def test_the_largest_amount_is_taken() -> None:
    assert usd_to_nano("999999999999999999.4") == 999_999_999_999_999_999_400_000_000
