from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from costmeter.workloads.cgroup import Limits
from costmeter.workloads.resources import MAX_HOLD_NS, Reading, ResourceSampler
from costmeter.workloads.schema import ResourceConfig

PAGE = os.sysconf("SC_PAGE_SIZE")
GIB = 1 << 30


@pytest.fixture
def sampler(proc: Any, clock: Any, tmp_path: Path) -> Any:
    made = []

    def make(*resources: dict[str, Any]) -> ResourceSampler:
        configs = [ResourceConfig(**resource) for resource in resources]
        made.append(
            ResourceSampler(configs, clock=clock, proc=proc.path, cgroup=tmp_path / "cgroup")
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


API = {"name": "api", "process": {"pid": 100}}


def test_readings_tell_the_rate_since_the_last_sample(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, own=1000, pages=50, old=True)
    api = sampler(API)
    clock.pass_seconds(5)
    proc.write(100, own=1250, pages=70, old=True)
    assert api.sample() == [Reading("api", True, 0.5, 70 * PAGE)]
    clock.pass_seconds(5)
    assert api.sample() == [Reading("api", True, 0.0, 70 * PAGE)]


def test_a_rate_is_not_known_at_first_and_never_taken_over_a_moment(
    proc: Any, clock: Any, sampler: Any
) -> None:
    proc.write(100, own=1000, old=True)
    api = sampler(API)
    assert api.sample()[0].cores is None
    clock.pass_seconds(0.1)
    proc.write(100, own=1001, old=True)
    assert api.sample()[0].cores is None
    clock.pass_seconds(0.4)
    proc.write(100, own=1010, old=True)
    assert api.sample()[0].cores == pytest.approx(0.1 / 0.5)


def test_a_day_of_one_core_costs_its_price_to_the_nano_dollar(
    proc: Any, clock: Any, sampler: Any
) -> None:
    proc.write(100, old=True, pages=0)
    api = sampler({**API, "usd_per_core_hour": 0.031, "attributes": {"team": "search"}})
    events = []
    ticks = 0
    for second in range(7, 86_400 + 1, 7):  # 12342 samples, and 6 s left over
        clock.pass_seconds(7)
        ticks += 700
        proc.write(100, own=ticks, old=True, pages=0)
        api.sample()
        if second % 3 == 0:
            events += api.charge()
    clock.pass_seconds(6)
    proc.write(100, own=8_640_000, old=True, pages=0)
    api.sample()
    events += api.charge()
    # 24 core-hours at 31,000,000 nano-dollars
    assert sum(event.cost_nano_usd for event in events) == 744_000_000
    event = events[-1]
    assert event.time_ns == clock.now_ns()
    assert (event.operation, event.provider, event.model) == ("compute", "host", "cpu")
    assert event.attributes == {"resource": "api", "team": "search"}
    assert (event.calls, event.requests, event.usage, event.status) == (0, 0, {}, "ok")


def test_memory_is_charged_at_the_mean_of_two_samples(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, old=True, pages=GIB // PAGE)
    api = sampler({**API, "usd_per_gib_hour": "0.0042", "provider": "hetzner"})
    clock.pass_seconds(60)
    proc.write(100, old=True, pages=3 * GIB // PAGE)
    api.sample()
    (event,) = api.charge()
    # a mean of 2 GiB for 1/60 h at 4,200,000 nano-dollars
    assert event.cost_nano_usd == 140_000
    assert (event.provider, event.model) == ("hetzner", "memory")
    assert api.charge() == []


def test_a_rest_below_a_nano_dollar_is_carried_over(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, old=True, pages=0)
    # 10 ms cost 1.25 nano-dollars
    api = sampler({**API, "usd_per_core_hour": "0.00045"})
    costs = []
    for ticks in range(1, 5):
        clock.pass_seconds(1)
        proc.write(100, own=ticks, old=True, pages=0)
        api.sample()
        costs += [event.cost_nano_usd for event in api.charge()]
    assert costs == [1, 1, 1, 2]


def test_what_has_no_price_is_watched_and_not_charged(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, old=True)
    api = sampler(API)
    clock.pass_seconds(5)
    proc.write(100, own=100, old=True)
    assert api.sample()[0].cores == pytest.approx(0.2)
    assert api.charge() == []


def test_an_allocated_machine_is_charged_by_its_size(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, old=True)
    machine = sampler(
        {
            **API,
            "charge": "allocation",
            "cores": 4,
            "memory_gib": 16,
            "usd_per_core_hour": 0.03,
            "usd_per_gib_hour": 0.005,
        }
    )
    for _ in range(60):
        clock.pass_seconds(60)
        machine.sample()
    proc.end(100)
    clock.pass_seconds(60)
    machine.sample()
    # 4 x 0.03 and 16 x 0.005 USD an hour, for 61 minutes: also while its process is down
    assert {event.model: event.cost_nano_usd for event in machine.charge()} == {
        "cpu": 122_000_000,
        "memory": 81_333_333,
    }


def test_a_sampler_that_stood_still_charges_cpu_whole_and_memory_for_five_minutes(
    proc: Any, clock: Any, sampler: Any
) -> None:
    assert MAX_HOLD_NS == 300 * 10**9
    proc.write(100, old=True, pages=GIB // PAGE)
    api = sampler({**API, "usd_per_core_hour": "1", "usd_per_gib_hour": "1"})
    clock.pass_seconds(36_000)
    proc.write(100, own=360_000, old=True, pages=GIB // PAGE)
    api.sample()
    assert {event.model: event.cost_nano_usd for event in api.charge()} == {
        "cpu": 1_000_000_000,
        "memory": 83_333_333,
    }


def test_a_clock_set_back_charges_nothing_absurd(proc: Any, clock: Any, sampler: Any) -> None:
    proc.write(100, old=True, pages=GIB // PAGE)
    api = sampler({**API, "usd_per_gib_hour": "1"})
    clock.wall -= 10**18
    clock.pass_seconds(36)
    api.sample()
    assert api.charge()[0].cost_nano_usd == 10_000_000


def test_a_vanished_process_is_down_and_told_once(
    proc: Any, clock: Any, sampler: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "api.pid"
    file.write_text("100")
    proc.write(100, own=10)
    api = sampler({"name": "api", "process": {"pid_file": file}})
    proc.end(100)
    for _ in range(3):
        clock.pass_seconds(5)
        assert api.sample() == [Reading("api", False, None, 0)]
    message = f"resource api: no process is there that {file} names"
    assert caplog.messages == [message]
    assert api.problems == [message]

    proc.write(200, own=50, pages=3)
    file.write_text("200\n")
    clock.pass_seconds(5)
    assert api.sample() == [Reading("api", True, 0.1, 3 * PAGE)]
    assert caplog.messages == [message, "resource api: is there again"]
    assert api.problems == []


def test_one_resource_that_cannot_be_read_keeps_no_other_from_being_read(
    proc: Any, clock: Any, sampler: Any, tmp_path: Path
) -> None:
    proc.write(100, own=10)
    both = sampler({"name": "box", "container": True}, {"name": "job", "cgroup": "/job"}, API)
    readings = both.sample()
    assert [reading.up for reading in readings] == [False, False, True]
    assert both.problems == [
        f"resource box: [Errno 2] No such file or directory: '{proc.path}/self/cgroup'",
        f"resource job: {tmp_path}/cgroup/cpuacct/job/cpuacct.usage is not there",
    ]


def test_a_proc_that_is_not_mounted_is_told_not_raised(clock: Any, tmp_path: Path) -> None:
    config = ResourceConfig(**API)
    api = ResourceSampler([config], clock=clock, proc=tmp_path / "nowhere", cgroup=tmp_path)
    assert api.sample() == [Reading("api", False, None, 0)]
    assert api.problems == ["resource api: no process is there that pid 100 names"]


def test_the_container_of_this_process_is_charged(proc: Any, clock: Any, tmp_path: Path) -> None:
    (proc.path / "self" / "cgroup").write_text("0::/\n")
    mount = tmp_path / "cgroup"
    mount.mkdir()
    (mount / "cgroup.controllers").write_text("cpu memory\n")
    (mount / "memory.current").write_text(f"{2 * GIB}\n")
    (mount / "memory.stat").write_text(f"inactive_file {GIB}\n")
    (mount / "cpu.stat").write_text("usage_usec 5000000\n")
    (mount / "cpu.max").write_text("200000 100000\n")
    config = ResourceConfig(name="pod", container=True, usd_per_core_hour=1, usd_per_gib_hour=2)
    pod = ResourceSampler([config], clock=clock, proc=proc.path, cgroup=mount)
    clock.pass_seconds(36)
    (mount / "cpu.stat").write_text("usage_usec 23000000\n")
    assert pod.sample() == [Reading("pod", True, 0.5, GIB, Limits(cores=2.0))]
    # 18 core-seconds at 1 USD, 1 GiB for 36 s at 2 USD an hour
    assert {event.model: event.cost_nano_usd for event in pod.charge()} == {
        "cpu": 5_000_000,
        "memory": 20_000_000,
    }
    pod.close()


def test_a_configured_size_goes_before_the_limit_of_the_cgroup(
    proc: Any, clock: Any, tmp_path: Path
) -> None:
    pod = tmp_path / "cgroup" / "pod"
    pod.mkdir(parents=True)
    (pod.parent / "cgroup.controllers").write_text("cpu memory\n")
    (pod / "memory.current").write_text("4096\n")
    (pod / "memory.stat").write_text("inactive_file 0\n")
    (pod / "memory.max").write_text(f"{3 * GIB}\n")
    (pod / "cpu.stat").write_text("usage_usec 5\n")
    (pod / "cpu.max").write_text("200000 100000\n")
    config = ResourceConfig(name="pod", cgroup="/pod", cores="1.5")
    sampler = ResourceSampler([config], clock=clock, proc=proc.path, cgroup=pod.parent)
    assert sampler.sample()[0].limits == Limits(1.5, 3 * GIB)
    for file in pod.iterdir():
        file.write_text("")
    assert sampler.sample()[0].limits == Limits(1.5, None), "a cgroup that is gone has no limits"
    sampler.close()


def test_a_changed_configuration_keeps_what_is_the_same_and_charges_what_goes(
    proc: Any, clock: Any, sampler: Any
) -> None:
    proc.write(100, old=True, pages=0)
    proc.write(200, old=True, pages=0)
    kept = ResourceConfig(**API, usd_per_core_hour=1)
    gone = ResourceConfig(name="gone", process={"pid": 200}, usd_per_core_hour=1)
    both = sampler(kept.model_dump(), gone.model_dump())
    clock.pass_seconds(36)
    proc.write(100, own=1800, old=True, pages=0)
    proc.write(200, own=3600, old=True, pages=0)
    both.watch([ResourceConfig(name="gone", process={"pid": 200}, usd_per_core_hour=2), kept])
    clock.pass_seconds(36)
    proc.write(100, own=3600, old=True, pages=0)
    proc.write(200, own=7200, old=True, pages=0)
    assert [(r.resource, r.cores) for r in both.sample()] == [("gone", 1.0), ("api", 0.5)]
    # 36 s at 2 USD, twice 18 s at 1 USD, and 36 s at 1 USD before the change
    assert [(e.attributes["resource"], e.cost_nano_usd) for e in both.charge()] == [
        ("gone", 20_000_000),
        ("api", 10_000_000),
        ("gone", 10_000_000),
    ]
