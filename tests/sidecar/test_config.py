"""Reading ``costmeter.yml``."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from costmeter.errors import ConfigError
from costmeter.sidecar.config import Config, load

EXAMPLE = Path(__file__).parents[2] / "costmeter.yml"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "costmeter.yml"
        path.write_text(text, "utf-8")
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(str(path))
    return list(raised.value.problems)


def test_the_example_configuration_is_right() -> None:
    config = load(EXAMPLE)
    assert config.listen == "127.0.0.1:9464"
    assert config.extra_labels == ("tenant",)
    assert config.label_caps["tenant"] == 200
    assert list(config.label_caps)[:5] == ["provider", "model", "endpoint", "feature", "team"]


def test_nothing_has_to_be_configured(write) -> None:
    assert load(write("")) == load(None) == Config()


def test_all_problems_are_told_at_once_each_with_its_path_and_value(write) -> None:
    found = problems(
        write(
            """
            listen: 9464
            timezone: Mars/Olympus
            scrape_interval: 15
            labels:
              le: {max_values: 5}
            intake: {burst: 0}
            alerts: {spike_min_excess_usd: -1}
            colour: blue
            """
        )
    )
    assert found == [
        "listen: 9464: Input should be a valid string",
        "timezone: 'Mars/Olympus': a time zone has a name of the IANA database, such as Europe/Berlin or UTC",
        "scrape_interval: 15: a duration is written as in Prometheus: 30s, 15m, 1h30m, 90d",
        "labels: le: set by costmeter or Prometheus, choose another",
        "intake.burst: 0: Input should be greater than or equal to 1",
        "alerts.spike_min_excess_usd: -1: Input should be greater than or equal to 0",
        "colour: unknown key",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("drain_timeout: 101y", "drain_timeout: '101y': a duration is 100y at most"),
        (
            "drain_timeout: 99999999999999y",
            "drain_timeout: '99999999999999y': a duration is 100y at",
        ),
        (
            "events: {retention: 0s}",
            "events.retention: '0s': Input should be greater than or equal",
        ),
        ("gate: {reservation_ttl: 0s}", "gate.reservation_ttl: '0s': Input should be greater than"),
        (
            "prometheus: {url: 'http://p:9090', poll_interval: 5m}",
            "prometheus.max_age: 0:05:00: is not longer than poll_interval, 0:05:00",
        ),
    ],
)
def test_a_time_that_cannot_work_is_refused(write, text: str, problem: str) -> None:
    (found,) = problems(write(text))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("journal: [", "is no YAML: "),
        ("- a\n- b", "(top level): a mapping is expected, not a list"),
        ("ledger: a\nledger: b", "is no YAML: line 2: the key 'ledger' is given twice"),
        ("journal: []", "journal: Value should have at least 1 item after validation, not 0"),
        ("listen: localhost", "listen: 'localhost': an address is written host:port"),
        ("labels: {a-b: {}}", "labels.a-b"),
        ("!!python/object/apply:os.system [echo]", "is no YAML: "),
    ],
)
def test_a_file_of_the_wrong_form_is_refused(write, text: str, problem: str) -> None:
    (found,) = problems(write(text))
    assert found.startswith(problem)


def test_a_file_that_is_missing_is_told_by_name(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yml") == ["cannot be read: No such file or directory"]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "costmeter.yml"
    path.write_bytes(b"\xff\xfe\x00")
    (found,) = problems(path)
    assert found.startswith("is no YAML: ")


def test_what_is_given_beside_the_file_goes_first(write) -> None:
    path = write("ledger: /a/ledger.db\nlisten: 127.0.0.1:1")
    config = load(path, ledger=Path("/b/ledger.db"), journal=None, listen="[::1]:2")
    assert (config.ledger, config.listen) == (Path("/b/ledger.db"), "[::1]:2")


def test_one_journal_or_several(write) -> None:
    assert load(write("journal: /a")).journal == (Path("/a"),)
    assert load(write("journal: [/a, /b]")).journal == (Path("/a"), Path("/b"))


def test_durations_and_money_are_exact(write) -> None:
    config = load(write("scrape_interval: 1m30s\nalerts: {spike_min_excess_usd: 0.1}"))
    assert config.scrape_interval == timedelta(seconds=90)
    assert config.alerts.spike_min_excess_usd == Decimal("0.1")


def test_a_cap_of_a_built_in_label_can_be_changed(write) -> None:
    config = load(write("labels: {team: {max_values: 7}, user_group: {}}"))
    assert config.label_caps["team"] == 7
    assert config.extra_labels == ("user_group",)


def test_two_resources_of_one_name_are_refused(write) -> None:
    one = "{name: api, process: {pid: 1}, usd_per_core_hour: 1, usd_per_gib_hour: 1}"
    assert problems(write(f"resources: [{one}, {one}]")) == [
        "resources: more than one resource is named api"
    ]
