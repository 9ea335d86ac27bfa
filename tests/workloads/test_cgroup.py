from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from costmeter.workloads.cgroup import UNLIMITED, Cgroup, Limits

MIB = 1 << 20


def write_v2(directory: Path, *, usec: int, current: int, inactive: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cpu.stat").write_text(
        f"usage_usec {usec}\nuser_usec {usec // 2}\nsystem_usec {usec - usec // 2}\n"
    )
    (directory / "memory.current").write_text(f"{current}\n")
    (directory / "memory.stat").write_text(
        f"anon 1\nfile 2\nactive_anon 3\ninactive_file {inactive}\nactive_file 5\n"
    )


def write_v1(mount: Path, path: str, *, ns: int, usage: int, inactive: int) -> None:
    for controller in ("cpuacct", "memory"):
        (mount / controller / path).mkdir(parents=True, exist_ok=True)
    (mount / "cpuacct" / path / "cpuacct.usage").write_text(f"{ns}\n")
    (mount / "memory" / path / "memory.usage_in_bytes").write_text(f"{usage}\n")
    (mount / "memory" / path / "memory.stat").write_text(
        f"cache 1\ninactive_file 99\ntotal_cache 2\ntotal_inactive_file {inactive}\n"
    )


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    mount = tmp_path / "cgroup"
    mount.mkdir()
    (mount / "cgroup.controllers").write_text("cpu memory\n")
    return mount


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_version_2_counts_microseconds_from_the_first_sample_on(v2: Path) -> None:
    write_v2(v2 / "a.slice", usec=1_000_000, current=100 * MIB, inactive=30 * MIB)
    cgroup = Cgroup.at(v2, "/a.slice")
    assert cgroup.sample() is False
    assert (cgroup.cpu_ns, cgroup.memory_bytes) == (0, 70 * MIB)
    write_v2(v2 / "a.slice", usec=1_250_001, current=80 * MIB, inactive=0)
    assert cgroup.sample() is True
    assert (cgroup.cpu_ns, cgroup.memory_bytes) == (250_001_000, 80 * MIB)
    cgroup.close()


def test_version_1_counts_nanoseconds_and_takes_the_cache_of_all_below(v1: Path) -> None:
    write_v1(v1, "a/b", ns=10_000, usage=100 * MIB, inactive=40 * MIB)
    cgroup = Cgroup.at(v1, "/a/b")
    assert cgroup.sample() is False
    write_v1(v1, "a/b", ns=10_007, usage=100 * MIB, inactive=40 * MIB)
    assert cgroup.sample() is True
    assert (cgroup.cpu_ns, cgroup.memory_bytes) == (7, 60 * MIB)
    cgroup.close()


def test_a_cache_larger_than_the_use_is_a_working_set_of_nothing(v2: Path) -> None:
    write_v2(v2 / "a", usec=0, current=10, inactive=20)
    cgroup = Cgroup.at(v2, "/a")
    cgroup.sample()
    assert cgroup.memory_bytes == 0
    cgroup.close()


@pytest.mark.parametrize(
    ("cpu", "memory", "limits"),
    [
        ("150000 100000", f"{512 * MIB}", Limits(1.5, 512 * MIB)),
        ("max 100000", "max", UNLIMITED),
        ("20000 100000", "max", Limits(0.2, None)),
    ],
)
def test_version_2_tells_what_is_set_aside(v2: Path, cpu: str, memory: str, limits: Limits) -> None:
    write_v2(v2 / "a", usec=1, current=1, inactive=0)
    (v2 / "a" / "cpu.max").write_text(f"{cpu}\n")
    (v2 / "a" / "memory.max").write_text(f"{memory}\n")
    cgroup = Cgroup.at(v2, "/a")
    assert cgroup.limits == UNLIMITED
    cgroup.sample()
    assert cgroup.limits == limits
    cgroup.close()


@pytest.mark.parametrize(
    ("quota", "memory", "limits"),
    [
        ("50000", f"{512 * MIB}", Limits(0.5, 512 * MIB)),
        ("-1", "9223372036854771712", UNLIMITED),
    ],
)
def test_version_1_tells_what_is_set_aside(
    v1: Path, quota: str, memory: str, limits: Limits
) -> None:
    write_v1(v1, "a", ns=1, usage=1, inactive=0)
    (v1 / "cpuacct" / "a" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (v1 / "cpuacct" / "a" / "cpu.cfs_period_us").write_text("100000\n")
    (v1 / "memory" / "a" / "memory.limit_in_bytes").write_text(f"{memory}\n")
    cgroup = Cgroup.at(v1, "/a")
    cgroup.sample()
    assert cgroup.limits == limits
    cgroup.close()


def test_a_cgroup_without_files_of_limits_has_none(v2: Path) -> None:
    write_v2(v2, usec=1, current=1, inactive=0)  # such as the root
    cgroup = Cgroup.at(v2, "/")
    cgroup.sample()
    assert cgroup.limits == UNLIMITED
    cgroup.close()


def test_a_cgroup_that_comes_later_counts_from_its_beginning(v2: Path) -> None:
    cgroup = Cgroup.at(v2, "/a")
    with pytest.raises(FileNotFoundError, match=r"a/cpu.stat is not there"):
        cgroup.sample()
    write_v2(v2 / "a", usec=5, current=10, inactive=0)
    assert cgroup.sample() is True
    assert cgroup.cpu_ns == 5000
    cgroup.close()


def test_a_cgroup_made_anew_counts_from_its_beginning(v2: Path) -> None:
    write_v2(v2 / "a", usec=900, current=10, inactive=0)
    cgroup = Cgroup.at(v2, "/a")
    cgroup.sample()
    write_v2(v2 / "a", usec=1000, current=10, inactive=0)
    cgroup.sample()
    write_v2(v2 / "a", usec=30, current=10, inactive=0)
    assert cgroup.sample() is True
    assert cgroup.cpu_ns == (1000 - 900 + 30) * 1000
    cgroup.close()


def test_a_cgroup_that_goes_has_no_memory(v2: Path) -> None:
    write_v2(v2 / "a", usec=900, current=10, inactive=0)
    cgroup = Cgroup.at(v2, "/a")
    cgroup.sample()
    (v2 / "a" / "cpu.stat").write_bytes(b"")
    shutil.rmtree(v2 / "a")
    with pytest.raises(FileNotFoundError):
        cgroup.sample()
    assert cgroup.memory_bytes == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("memory.current", "max\n", r"memory.current: b'max\\n' is not a whole number"),
        ("memory.stat", "anon 1\n", r"memory.stat has no line 'inactive_file'"),
        ("cpu.stat", "usage_usec x\n", r"cpu.stat: b'x' is not a whole number"),
        ("cpu.max", "100000\n", r"cpu.max: b'' is not a whole number"),
        ("memory.max", "all\n", r"memory.max: b'all\\n' is not a whole number"),
    ],
)
def test_a_file_of_another_form_is_told(v2: Path, name: str, content: str, message: str) -> None:
    write_v2(v2 / "a", usec=1, current=1, inactive=0)
    (v2 / "a" / name).write_text(content)
    cgroup = Cgroup.at(v2, "/a")
    with pytest.raises(ValueError, match=message):
        cgroup.sample()
    cgroup.close()


def test_the_own_cgroup_of_version_2_is_the_path_under_the_empty_name(
    v2: Path, tmp_path: Path
) -> None:
    write_v2(v2 / "system.slice" / "a:b.service", usec=1, current=5, inactive=0)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/system.slice/a:b.service\n")
    cgroup = Cgroup.own(v2, tmp_path)
    cgroup.sample()
    assert cgroup.memory_bytes == 5
    cgroup.close()


def test_the_own_cgroup_of_version_1_has_a_path_for_each_controller(
    v1: Path, tmp_path: Path
) -> None:
    write_v1(v1, "here", ns=1, usage=7, inactive=0)
    write_v1(v1, "there", ns=1, usage=8, inactive=0)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(
        "9:name=systemd:/x\n4:memory:/there\n2:cpu,cpuacct:/here\n0::/y\n"
    )
    cgroup = Cgroup.own(v1, tmp_path)
    cgroup.sample()
    (v1 / "cpuacct" / "here" / "cpuacct.usage").write_text("4\n")
    cgroup.sample()
    assert (cgroup.cpu_ns, cgroup.memory_bytes) == (3, 8)
    cgroup.close()


def test_a_container_that_sees_only_its_own_cgroup_reads_it_at_the_mount(
    v1: Path, tmp_path: Path
) -> None:
    write_v1(v1, ".", ns=1, usage=7, inactive=0)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("4:memory:/docker/0a1b\n2:cpuacct:/docker/0a1b\n")
    cgroup = Cgroup.own(v1, tmp_path)
    cgroup.sample()
    assert cgroup.memory_bytes == 7
    cgroup.close()


def test_a_configured_cgroup_is_never_replaced_by_the_whole_machine(v2: Path) -> None:
    write_v2(v2, usec=1, current=7, inactive=0)
    with pytest.raises(FileNotFoundError):
        Cgroup.at(v2, "/gone.slice").sample()


def test_the_own_cgroup_of_this_machine_can_be_read() -> None:
    cgroup = Cgroup.own(Path("/sys/fs/cgroup"), Path("/proc"))
    try:
        cgroup.sample()
    except FileNotFoundError as error:  # the root of version 2 has no memory.current
        pytest.skip(f"this process runs in the root cgroup: {error}")
    assert cgroup.sample() is True
    assert cgroup.memory_bytes > 0
    cgroup.close()
