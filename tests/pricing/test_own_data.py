"""Our own data file."""

from costmeter.pricing.own_data import own_data
from costmeter.pricing.schema import conflicts


def test_every_price_names_its_source() -> None:
    data = own_data()
    for entry in (*data.corrections, *data.additions):
        if not entry.local:
            assert entry.source.startswith("https://"), entry.key
    for flat in data.flat:
        assert flat.source.startswith("https://"), flat.model


def test_no_two_entries_price_the_same_model_at_the_same_time() -> None:
    assert conflicts(own_data().corrections) == []
    assert conflicts(own_data().additions) == []
